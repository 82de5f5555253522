package transfer

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// accept checks an answer. skip is how many bytes of its body are known already.
func (r *remote) accept(resp *http.Response) (skip int64, wait time.Duration, err error) {
	switch code := resp.StatusCode; {
	case code == http.StatusOK && r.suffix > 0 && !r.known && (resp.ContentLength < 0 || resp.ContentLength > r.suffix),
		code == http.StatusRequestedRangeNotSatisfiable && r.suffix > 0 && !r.known:
		return 0, 0, noRanges(resp, r.name)

	case code == http.StatusOK:
		now := versionOf(resp.Header, resp.ContentLength)
		if !r.known && r.part {
			return 0, 0, noRanges(resp, r.name)
		}
		if !r.known {
			r.ver, r.known = now, true
			r.size(now.size)
			return 0, 0, nil
		}
		if !r.ver.same(now) {
			return 0, 0, &ChangedError{URL: r.name, Offset: r.offset, Was: r.ver.String(), Now: now.String()}
		}
		if r.part {
			return 0, 0, &RangeError{URL: r.name, Offset: r.offset, Reason: "the server sends the whole file, a part was asked for"}
		}
		if r.offset > 0 && !r.ver.tells() {
			return 0, 0, &RangeError{URL: r.name, Offset: r.offset,
				Reason: "the server sends the file from its start again, and nothing tells that it is the same file"}
		}
		if r.offset > 0 {
			r.o.tell(fmt.Sprintf("%s ignores range requests: reading the first %s again", r.name, units.Bytes(r.offset)))
		}
		return r.offset, 0, nil

	case code == http.StatusPartialContent:
		return 0, 0, r.acceptPart(resp)

	case code == http.StatusRequestedRangeNotSatisfiable && r.ver.size < 0 &&
		resp.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", r.offset):
		r.done = true // the connection broke between the last byte and the word that it was the last
		r.size(r.offset)
		return 0, 0, io.EOF

	case code == http.StatusPreconditionFailed, code == http.StatusRequestedRangeNotSatisfiable && r.known:
		return 0, 0, &ChangedError{URL: r.name, Offset: r.offset, Was: r.ver.String(),
			Now: fmt.Sprintf("answer %d %s", code, resp.Header.Get("Content-Range"))}

	case passing(code):
		err := statusError(resp, r.name)
		return 0, retryAfter(resp.Header, time.Now()), &retryable{err}
	}
	return 0, 0, statusError(resp, r.name)
}

// acceptPart checks that a 206 answer goes on exactly where we are, in the
// file we know.
func (r *remote) acceptPart(resp *http.Response) error {
	bad := func(format string, args ...any) error {
		return &RangeError{URL: r.name, Offset: r.offset, Reason: fmt.Sprintf(format, args...)}
	}
	if r.span() == "" {
		return bad("the server sends a part of the file, the whole was asked for")
	}
	if t := resp.Header.Get("Content-Type"); strings.HasPrefix(t, "multipart/") {
		return bad("the server answers with %s", t)
	}
	if resp.ContentLength == 0 && r.suffix > 0 && !r.known && strings.HasSuffix(resp.Header.Get("Content-Range"), "/0") {
		r.ver, r.known, r.done = versionOf(resp.Header, 0), true, true // net/http says 0--1/0 of an empty file
		return nil
	}
	first, last, total, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return bad("%v", err)
	}
	now := versionOf(resp.Header, total)
	if !r.known {
		if total < 0 || r.part && total != r.end {
			return bad("the server calls the end of the file %s", resp.Header.Get("Content-Range"))
		}
		if r.suffix > 0 && !r.part {
			r.part, r.offset, r.end = true, max(0, total-r.suffix), total
		}
		r.ver, r.known = now, true
		r.size(total)
	}
	if !r.ver.same(now) {
		return &ChangedError{URL: r.name, Offset: r.offset, Was: r.ver.String(), Now: now.String()}
	}
	switch {
	case first != r.offset:
		return bad("the server sends bytes from %d, %d was asked for", first, r.offset)
	case r.part && last >= r.end:
		return bad("the server sends bytes to %d, %d was asked for", last, r.end-1)
	case resp.ContentLength >= 0 && resp.ContentLength != last-first+1:
		return bad("the server sends %d bytes and calls them %s", resp.ContentLength, resp.Header.Get("Content-Range"))
	}
	if r.ver.size < 0 && total >= 0 {
		r.ver.size = total
		r.size(total)
	}
	if r.part && !r.moved {
		return nil
	}
	if !r.ver.tells() && !r.noted {
		r.noted = true
		r.o.tell(fmt.Sprintf("%s has neither ETag nor Last-Modified: only a sha256 can tell that it did not change meanwhile", r.name))
	}
	r.o.tell(fmt.Sprintf("transfer goes on at %s", units.Bytes(r.offset)), "url", r.name)
	return nil
}

// noRanges says that resp, the first answer of all, is not the part asked for.
// What it tells of the file's size is kept.
func noRanges(resp *http.Response, name string) *NoRangesError {
	e := &NoRangesError{URL: name, Code: resp.StatusCode, size: resp.ContentLength}
	if resp.StatusCode != http.StatusOK {
		e.size = -1
		total, found := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */")
		if n, err := parseDigits(total); found && err == nil {
			e.size = n
		}
	}
	return e
}
