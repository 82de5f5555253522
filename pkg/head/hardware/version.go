package hardware

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
)

// Version is one state of a machine: an inventory, and when it was like that.
type Version struct {
	Number   int       `json:"number"` // from 1
	First    time.Time `json:"first"`  // when it came
	Seen     time.Time `json:"seen"`   // when it came last, or one that equals it but for readings
	Born     string    `json:"born,omitempty"`
	Boot     string    `json:"boot,omitempty"`    // boot_id of First and of Seen
	Accepted time.Time `json:"accepted,omitzero"` // since when the machine is to be like this

	Changes []diff.Change  `json:"changes,omitempty"` // since the version before
	Unknown []diff.Unknown `json:"unknown,omitempty"` // what could not be compared with it
	More    int            `json:"more,omitempty"`    // changes that are too many to be listed

	Document json.RawMessage `json:"document,omitempty"`

	tree map[string]any // of Document
}

// CorruptError is a file of the history that cannot be read.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read inventory %s: %v (move it away to forget this state of the machine)", e.Path, e.Err)
}
func (e *CorruptError) Unwrap() error { return e.Err }

const (
	maxChanges     = 200
	maxChangeBytes = 256 << 10
	maxFile        = MaxSize + maxChangeBytes + 64<<10
	suffix         = ".json"
)

func fileName(number int) string { return fmt.Sprintf("%06d%s", number, suffix) }

// numberOf is the number of a version by the name of its file.
func numberOf(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && name == fileName(n)
}

// load reads a version.
func load(dir string, number int) (Version, error) {
	path := filepath.Join(dir, fileName(number))
	v, err := decode(path)
	if err == nil && v.Number != number {
		err = fmt.Errorf("it is version %d", v.Number)
	}
	if err == nil {
		v.tree, err = read(v.Document)
	}
	if err != nil {
		return Version{}, &CorruptError{path, err}
	}
	return v, nil
}

func decode(path string) (v Version, err error) {
	f, err := os.Open(path)
	if err != nil {
		return v, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return v, err
	}
	if len(data) > maxFile {
		return v, errors.New("it is too long")
	}
	return v, json.Unmarshal(data, &v)
}

// encode is what the file of a version is to have.
func (v Version) encode() ([]byte, error) {
	if v.Document == nil {
		text, err := marshal(v.tree)
		if err == nil { // it was put together of two
			_, err = read(text)
		}
		if err != nil {
			return nil, &DocumentError{err}
		}
		v.Document = text
	}
	data, err := marshal(v)
	if err == nil && len(data) > maxFile {
		err = &DocumentError{fmt.Errorf("with its changes it has %d bytes, more than %d", len(data), maxFile)}
	}
	return data, err
}

// marshal is json.Marshal that leaves <, > and & as short as they came.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// since notes what is different from the version before, as far as it fits.
func (v *Version) since(r diff.Result) {
	v.Changes, v.Unknown, v.More = nil, nil, 0
	room := maxChangeBytes
	for _, u := range r.Unknown {
		if room -= len(u.Section) + len(u.Error) + 64; room >= 0 && len(v.Unknown) < maxChanges {
			v.Unknown = append(v.Unknown, u)
		}
	}
	for _, c := range r.Changes {
		text, err := marshal(c)
		room -= len(text)
		if err != nil || room < 0 || len(v.Changes) == maxChanges {
			v.More++
			continue
		}
		v.Changes = append(v.Changes, c)
	}
}
