package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/head/images"
)

// sums serves the digests of an image's chunks. They go out while they are
// computed, so that nobody who waits for those of a long image takes the head for
// dead; a client that goes away leaves what is done to the next.
func (s *Site) sums(w http.ResponseWriter, r *http.Request, name string) {
	f, err := s.Images.Open(name)
	if err != nil {
		refuse(w, err)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		refuse(w, err)
		return
	}
	size := images.SumsSize(st.Size())
	tag := images.Tag(st)
	h := w.Header()
	h.Set("ETag", strings.TrimSuffix(tag, `"`)+`-sums"`)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	for n := int64(0); n < size; {
		text, err := s.Images.Sums(r.Context(), f, n)
		if err == nil && len(text) == 0 {
			err = errors.New("the image has become shorter")
		}
		if err != nil && n == 0 {
			h.Del("Content-Length")
			h.Del("ETag")
			refuse(w, err)
			return
		}
		if err != nil {
			s.Log.Warn("sums of an image not sent", "image", name, "to", remote(r), "at", n, "of", size, "error", err)
			panic(http.ErrAbortHandler) // so that what was sent is not taken for all
		}
		if _, err := w.Write(text); err != nil {
			return // it has gone
		}
		control.Flush() // whoever cannot gets it all at the end
		n += int64(len(text))
	}
}
