package web

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/images"
)

// Uploads can be resumed as draft-ietf-httpbis-resumable-upload-12 has it: a
// PUT with Upload-Complete is told at once, by an interim answer, of a resource
// under /uploads/ that knows how much has arrived and takes the rest.
const (
	digestHeader   = "Repr-Digest"
	offsetHeader   = "Upload-Offset"
	completeHeader = "Upload-Complete"
	lengthHeader   = "Upload-Length"
	limitHeader    = "Upload-Limit"
	interopHeader  = "Upload-Draft-Interop-Version"

	interop         = "8"
	partialUpload   = "application/partial-upload"
	statusResumable = 104
)

// writeImage stores the body under a name, once all of it is here and has the
// digest that the sender gives, as a rule in a trailer (RFC 9530 Repr-Digest).
func (s *Site) writeImage(w http.ResponseWriter, r *http.Request) {
	in := newIntake(w, r)
	defer in.end()
	err := s.beginUpload(in)
	if err != nil {
		s.Log.Warn("image upload refused", "image", r.PathValue("name"), "from", remote(r), "error", err)
		s.limits(w)
		refuse(w, err)
		return
	}
	if in.upload.ID() != "" {
		w.Header().Set("Location", "/uploads/"+in.upload.ID())
		s.limits(w)
		in.interim()
	}
	s.receive(in)
}

func (s *Site) beginUpload(in *intake) (err error) {
	name, r := in.r.PathValue("name"), in.r
	all, said := boolean(r.Header.Get(completeHeader))
	resumable := said && r.Header.Get(interopHeader) == interop && r.ProtoAtLeast(1, 1)
	if !resumable && said && !all {
		return fmt.Errorf("%w: uploads in parts need %s: %s", errRequest, interopHeader, interop)
	}
	if !resumable {
		in.upload, err = s.Images.Create(name, r.ContentLength)
		return err
	}
	sum := ""
	if text := r.Header.Get(digestHeader); text != "" {
		if sum, err = parseDigest(text); err != nil {
			return err
		}
	}
	size := length(r.Header.Get(lengthHeader))
	if all && size < 0 {
		size = r.ContentLength
	}
	in.acks = true
	in.upload, err = s.Images.Begin(name, size, sum, in.stop)
	return err
}

// appendUpload takes the next bytes of an upload that was begun before.
func (s *Site) appendUpload(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != partialUpload {
		http.Error(w, "want Content-Type: "+partialUpload, http.StatusUnsupportedMediaType)
		return
	}
	offset := length(r.Header.Get(offsetHeader))
	_, said := boolean(r.Header.Get(completeHeader))
	if offset < 0 || !said {
		refuse(w, fmt.Errorf("%w: want %s and %s", errRequest, offsetHeader, completeHeader))
		return
	}
	in := newIntake(w, r)
	defer in.end()
	upload, err := s.Images.Resume(r.Context(), r.PathValue("id"), in.stop)
	if err != nil {
		refuse(w, err)
		return
	}
	in.upload, in.acks = upload, r.ProtoAtLeast(1, 1) && r.Header.Get(interopHeader) == interop
	state(w, upload)
	switch {
	case upload.Complete():
		err = images.ErrComplete
	case offset != upload.Offset():
		http.Error(w, fmt.Sprintf("the upload is at byte %d, not %d", upload.Offset(), offset), http.StatusConflict)
		s.release(in)
		return
	default:
		err = upload.Announce(length(r.Header.Get(lengthHeader)))
	}
	if err != nil {
		refuse(w, errors.Join(err, upload.Release()))
		return
	}
	w.Header().Del(offsetHeader)
	w.Header().Del(completeHeader)
	s.receive(in)
}

// receive stores the body and, with its end, the image.
func (s *Site) receive(in *intake) {
	w, r, upload := in.w, in.r, in.upload
	log := s.Log.With("image", upload.Name(), "from", remote(r))
	began := time.Now()
	_, promised := r.Trailer[digestHeader]
	all, said := boolean(r.Header.Get(completeHeader))
	in.acked = upload.Offset()
	n, err := io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{in}, make([]byte, 256<<10))
	in.deadline()
	if in.err != nil && upload.ID() != "" {
		log.Info("image upload interrupted", "bytes", n, "at", upload.Offset(), "reason", in.err)
		w.Header().Set("Connection", "close")
		state(w, upload)
		http.Error(w, "interrupted", http.StatusRequestTimeout) // whoever still reads this can go on
		s.release(in)
		return
	}
	var want string
	if err == nil {
		want, err = digest(r, promised)
	} else if in.err != nil {
		err = fmt.Errorf("%w: upload of %s broken off at byte %d: %w", errRequest, upload.Name(), n, err)
	}
	if err != nil {
		log.Warn("image upload dropped", "bytes", upload.Offset(), "error", err)
		s.limits(w)
		refuse(w, errors.Join(err, upload.Abort()))
		return
	}
	if said && !all {
		state(w, upload)
		w.WriteHeader(cmp.Or(map[string]int{http.MethodPut: http.StatusCreated}[r.Method], http.StatusNoContent))
		s.release(in)
		return
	}
	size := upload.Offset()
	image, replaced, err := in.commit(want, cmp.Or(s.beat, beat))
	if upload.ID() != "" {
		w.Header().Set(completeHeader, "?1")
	}
	w.Header().Del("Location")
	if err != nil {
		log.Warn("image upload not published", "bytes", size, "error", err)
		refuse(w, err)
		return
	}
	log.Info("image stored", "bytes", image.Size, "sha256", image.SHA256, "checked", want != "", "took", time.Since(began).Round(time.Millisecond))
	if replaced {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Location", "/images/"+upload.Name())
	w.WriteHeader(http.StatusCreated)
}

// uploadState says how much has arrived. Whoever asks has lost the request that
// sent it: that one ends.
func (s *Site) uploadState(w http.ResponseWriter, r *http.Request) {
	upload, err := s.Images.Resume(r.Context(), r.PathValue("id"), func() {})
	if err != nil {
		refuse(w, err)
		return
	}
	state(w, upload)
	s.limits(w)
	w.Header().Set("Cache-Control", "no-store")
	if n := upload.Length(); n >= 0 {
		w.Header().Set(lengthHeader, strconv.FormatInt(n, 10))
	}
	if upload.Complete() {
		w.Header().Set("Location", "/images/"+upload.Name())
	}
	w.WriteHeader(http.StatusNoContent)
	s.release(&intake{upload: upload, r: r})
}

func (s *Site) cancelUpload(w http.ResponseWriter, r *http.Request) {
	upload, err := s.Images.Resume(r.Context(), r.PathValue("id"), func() {})
	if err == nil {
		s.Log.Info("image upload cancelled", "image", upload.Name(), "from", remote(r), "bytes", upload.Offset())
		err = upload.Abort()
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Site) uploadOptions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD, PUT, OPTIONS")
	w.Header().Set("Accept-Patch", partialUpload)
	s.limits(w)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Site) release(in *intake) {
	if err := in.upload.Release(); err != nil {
		s.Log.Warn("image upload may not survive a power cut", "image", in.upload.Name(), "error", err)
	}
}

func (s *Site) limits(w http.ResponseWriter) {
	if most := s.Images.MaxSize(); most > 0 {
		w.Header().Set(limitHeader, "max-size="+strconv.FormatInt(most, 10))
	}
}

// state sets the headers that tell how far an upload is.
func state(w http.ResponseWriter, u *images.Upload) {
	w.Header().Set(offsetHeader, strconv.FormatInt(u.Offset(), 10))
	w.Header().Set(completeHeader, map[bool]string{true: "?1", false: "?0"}[u.Complete()])
}

// boolean decodes a structured field (RFC 9651).
func boolean(text string) (value, ok bool) { return text == "?1", text == "?1" || text == "?0" }

// length decodes a count of bytes, -1 where there is none.
func length(text string) int64 {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return -1
	}
	return int64(n)
}
