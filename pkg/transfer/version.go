package transfer

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// version is what a server says of the state of a file.
type version struct {
	etag     string
	modified string // Last-Modified
	date     string // Date of the answer
	size     int64  // -1 unknown
}

func versionOf(h http.Header, size int64) version {
	return version{etag: h.Get("ETag"), modified: h.Get("Last-Modified"), date: h.Get("Date"), size: size}
}

// ifRange returns the validator for If-Range, which must be a strong one
// (RFC 9110, sections 8.8 and 13.1.5): a strong ETag, or a modification date that
// the file had for a second or more when it was told.
func (v version) ifRange() string {
	if v.etag != "" {
		if strings.HasPrefix(v.etag, "W/") {
			return ""
		}
		return v.etag
	}
	modified, err1 := http.ParseTime(v.modified)
	date, err2 := http.ParseTime(v.date)
	if err1 != nil || err2 != nil || date.Sub(modified) < time.Second {
		return ""
	}
	return v.modified
}

// tells reports whether v can be told from another version of equal size.
func (v version) tells() bool { return v.etag != "" || v.modified != "" }

// same compares two versions by all that both servers' answers say. An answer without
// a validator the former one had is taken for another version only if
// nothing else remains to compare.
func (v version) same(w version) bool {
	if v.size >= 0 && w.size >= 0 && v.size != w.size {
		return false
	}
	if v.etag != "" && w.etag != "" {
		return strings.TrimPrefix(v.etag, "W/") == strings.TrimPrefix(w.etag, "W/")
	}
	if v.modified != "" && w.modified != "" {
		return v.modified == w.modified
	}
	return v.tells() == w.tells()
}

func (v version) String() string {
	switch {
	case v.etag != "" && v.size >= 0:
		return fmt.Sprintf("ETag %s, %d bytes", v.etag, v.size)
	case v.etag != "":
		return "ETag " + v.etag
	case v.modified != "":
		return fmt.Sprintf("of %s, %d bytes", v.modified, v.size)
	}
	return fmt.Sprintf("%d bytes", v.size)
}

// parseContentRange decodes "bytes FIRST-LAST/TOTAL"; TOTAL may be "*", then
// total is -1.
func parseContentRange(s string) (first, last, total int64, err error) {
	bad := fmt.Errorf("the server sends Content-Range %q", s)
	spec, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, 0, bad
	}
	span, of, ok1 := strings.Cut(spec, "/")
	a, b, ok2 := strings.Cut(span, "-")
	if !ok1 || !ok2 {
		return 0, 0, 0, bad
	}
	total = -1
	if of != "*" {
		if total, err = parseDigits(of); err != nil {
			return 0, 0, 0, bad
		}
	}
	first, err1 := parseDigits(a)
	last, err2 := parseDigits(b)
	if err1 != nil || err2 != nil || last < first || total >= 0 && last >= total {
		return 0, 0, 0, bad
	}
	return first, last, total, nil
}

func parseDigits(s string) (int64, error) {
	u, err := strconv.ParseUint(s, 10, 63)
	return int64(u), err
}
