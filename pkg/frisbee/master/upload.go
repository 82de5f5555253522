package master

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Upload is what becomes of an image that is uploaded.
type Upload struct {
	// Exists tells that there is one already, of this size and with this
	// signature.
	Exists    bool
	Size      uint64 // bytes
	Signature wire.Signature

	Max uint64 // bytes that may be sent; 0 is no limit
	// Unknown admits an upload that does not say its size. That it is cut short
	// cannot be seen then, and Commit has to find out.
	Unknown bool
	// Create begins an upload.
	Create func(ctx context.Context) (Writer, error)
}

// Writer takes an image.
type Writer interface {
	io.Writer
	// Commit ends an upload that is whole, and makes it the image. The time is
	// the one to give to it, or zero.
	Commit(modified time.Time) error
	// Abort ends an upload that is not, and leaves no trace of it.
	Abort() error
}

// ShortError reports an upload that ended early.
type ShortError struct {
	Got, Want uint64 // bytes
}

func (e *ShortError) Error() string {
	return fmt.Sprintf("receive upload: it ended after %d of %d bytes", e.Got, e.Want)
}

// slack is by how much a client's clock may be ahead.
const slack = 5 * time.Minute

func (r *running) put(ctx context.Context, caller, local netip.Addr, m wire.Put) wire.PutReply {
	m.Host = host(m.Host, caller)
	u, err := r.Handler.Put(ctx, caller, m)
	if err != nil {
		return wire.PutReply{Code: r.code(err, "put", m.ID, caller)}
	}
	reply := wire.PutReply{Exists: u.Exists, Size: u.Size, Signature: u.Signature, Max: u.Max}
	switch {
	case m.Status:
		return reply
	case u.Max > 0 && m.Size > u.Max:
		reply.Code = wire.CodeTooBig
	case m.ModTime != 0 && time.Unix(int64(m.ModTime), 0).After(time.Now().Add(slack)):
		reply.Code = wire.CodeModTime
	case m.Size == 0 && !u.Unknown:
		reply.Code = wire.CodeInvalid
	}
	if reply.Code != 0 {
		return reply
	}
	port, err := r.startUpload(ctx, local, m, u)
	if err != nil {
		reply.Code = r.code(err, "put", m.ID, caller)
		return reply
	}
	reply.Addr, reply.Port = local.As4(), port
	return reply
}

// startUpload listens for the one connection that brings the file.
func (r *running) startUpload(ctx context.Context, local netip.Addr, m wire.Put, u Upload) (uint16, error) {
	select {
	case r.uploads <- struct{}{}:
	default:
		return 0, wire.CodeBusy
	}
	done := func() { <-r.uploads }
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", netip.AddrPortFrom(local, 0).String())
	if err != nil {
		done()
		return 0, err
	}
	w, err := u.Create(r.ctx)
	if err != nil {
		l.Close()
		done()
		return 0, err
	}
	r.all.Go(func() {
		defer done()
		if err := r.upload(l.(*net.TCPListener), m, u, w); err != nil {
			r.log.Warn("upload failed", "image", m.ID, "from", netip.AddrFrom4(m.Host), "err", err)
			return
		}
		r.log.Info("image uploaded", "image", m.ID, "from", netip.AddrFrom4(m.Host))
	})
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}

// upload takes the file, all of it or nothing.
func (r *running) upload(l *net.TCPListener, m wire.Put, u Upload, w Writer) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Abort())
		}
	}()
	longest := r.longest
	if wish := time.Duration(m.Timeout) * time.Second; wish > 0 {
		longest = min(longest, wish)
	}
	end := time.Now().Add(longest)
	conn, err := r.accept(l, netip.AddrFrom4(m.Host))
	if err != nil {
		return fmt.Errorf("receive upload: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(r.ctx, func() { conn.Close() })()
	in := &patient{conn, r.stall, end}
	got, err := copyFile(w, in, m.Size, u.Max)
	if err != nil {
		return err
	}
	if m.Size > 0 && got != m.Size {
		return &ShortError{got, m.Size}
	}
	var modified time.Time
	if m.ModTime != 0 {
		modified = time.Unix(int64(m.ModTime), 0)
	}
	return w.Commit(modified)
}

// copyFile copies up to size bytes, or all if that is 0 and no more than most.
func copyFile(w io.Writer, r io.Reader, size, most uint64) (uint64, error) {
	limit := size
	if size == 0 && most > 0 {
		limit = most + 1
	}
	if limit > 0 && limit < 1<<62 {
		r = io.LimitReader(r, int64(limit))
	}
	n, err := io.Copy(w, r)
	switch {
	case err != nil:
		return uint64(n), fmt.Errorf("receive upload: %w", err)
	case size == 0 && most > 0 && uint64(n) > most:
		return uint64(n), wire.CodeTooBig
	}
	return uint64(n), nil
}

// accept takes the first connection from a host. Others are not heard.
func (r *running) accept(l *net.TCPListener, from netip.Addr) (net.Conn, error) {
	defer l.Close()
	defer context.AfterFunc(r.ctx, func() { l.Close() })()
	if err := l.SetDeadline(time.Now().Add(r.stall)); err != nil {
		return nil, err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil, err
		}
		if addrOf(conn.RemoteAddr()) == from {
			return conn, nil
		}
		conn.Close()
	}
}

// patient reads as long as something comes, and not beyond an end.
type patient struct {
	net.Conn
	stall time.Duration
	end   time.Time
}

func (p *patient) Read(b []byte) (int, error) {
	until := time.Now().Add(p.stall)
	if until.After(p.end) {
		until = p.end
	}
	if !time.Now().Before(p.end) {
		return 0, os.ErrDeadlineExceeded
	}
	if err := p.SetReadDeadline(until); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}
