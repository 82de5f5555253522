package console

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Journal shows lines on the consoles and keeps them in a file, together with
// the log records that are not worth a line on a console.
type Journal struct {
	out   *Output
	path  string
	limit int64 // bytes, after which the file becomes path.old
	stamp func() time.Duration

	mu   sync.Mutex
	f    *os.File
	size int64
}

// NewJournal keeps at most twice limit bytes at path, whose directory it
// makes. A file that cannot be written costs the record, not the lines.
func NewJournal(out *Output, path string, limit int64) *Journal {
	j := &Journal{out: out, path: path, limit: limit, stamp: out.stamp}
	os.MkdirAll(filepath.Dir(path), 0o755)
	j.open(os.O_APPEND)
	return j
}

func (j *Journal) open(flag int) {
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE|flag, 0o644)
	if err != nil {
		return
	}
	j.f, j.size = f, 0
	if st, err := f.Stat(); err == nil {
		j.size = st.Size()
	}
}

// Line shows and keeps text; see Output.Line.
func (j *Journal) Line(text string) { j.keep(text); j.out.Line(text) }

// Urgent shows and keeps text; see Output.Urgent.
func (j *Journal) Urgent(text string) { j.keep(text); j.out.Urgent(text) }

// Flush is Output.Flush.
func (j *Journal) Flush(ctx context.Context) { j.out.Flush(ctx) }

// Close ends the file; the Output is the caller's.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil {
		return nil
	}
	defer func() { j.f = nil }()
	return j.f.Close()
}

func (j *Journal) keep(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil {
		return
	}
	if j.size > j.limit {
		j.f.Close()
		j.f = nil
		os.Rename(j.path, j.path+".old")
		if j.open(os.O_TRUNC); j.f == nil {
			return
		}
	}
	var stamp string
	if j.stamp != nil {
		stamp = fmt.Sprintf("[%9.3f] ", j.stamp().Seconds())
	}
	n, _ := fmt.Fprintf(j.f, "%s%s\n", stamp, strings.TrimRight(text, "\n"))
	j.size += int64(n)
}

// Logger writes records to the journal; warnings and worse are shown too.
func (j *Journal) Logger() *slog.Logger { return slog.New(handler{j: j}) }

type handler struct {
	j     *Journal
	attrs string
	group string
}

func (h handler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message + h.attrs
	r.Attrs(func(a slog.Attr) bool {
		line += h.format(a)
		return true
	})
	if r.Level >= slog.LevelWarn {
		h.j.Line(line)
	} else {
		h.j.keep(line)
	}
	return nil
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.attrs += h.format(a)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.group += name + "."
	return h
}

func (h handler) format(a slog.Attr) string {
	v := a.Value.Resolve().String()
	if strings.ContainsAny(v, " \"") {
		v = fmt.Sprintf("%q", v)
	}
	return fmt.Sprintf(" %s%s=%s", h.group, a.Key, v)
}
