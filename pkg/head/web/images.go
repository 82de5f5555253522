package web

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// uploadPatience is how long a sender may be silent before its upload is
// dropped and the name is free again.
const uploadPatience = 2 * time.Minute

func (s *Site) listImages(w http.ResponseWriter, r *http.Request) {
	list, err := s.Images.List()
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, list)
}

func (s *Site) readImage(w http.ResponseWriter, r *http.Request) {
	f, err := s.Images.Open(r.PathValue("name"))
	if err != nil {
		refuse(w, err)
		return
	}
	s.send(w, r, f)
}

// writeImage stores the body under a name, once all of it is here and has the
// digest that the sender gives, as a rule in a trailer (RFC 9530 Repr-Digest).
func (s *Site) writeImage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	log := s.Log.With("image", name, "from", remote(r))
	began := time.Now()
	_, promised := r.Trailer[digestHeader]
	upload, err := s.Images.Create(name, r.ContentLength)
	if err != nil {
		log.Warn("image upload refused", "error", err)
		refuse(w, err)
		return
	}
	body := &patient{control: http.NewResponseController(w), body: r.Body}
	size, err := io.CopyBuffer(upload, body, make([]byte, 256<<10))
	var want string
	if err == nil {
		want, err = digest(r, promised)
	} else if body.err != nil {
		err = fmt.Errorf("%w: upload of %s broken off at byte %d: %w", errRequest, name, size, err)
	}
	if err != nil {
		log.Warn("image upload dropped", "bytes", size, "error", err)
		refuse(w, errors.Join(err, upload.Abort()))
		return
	}
	image, replaced, err := upload.Commit(want)
	if err != nil {
		log.Warn("image upload dropped", "bytes", size, "error", err)
		refuse(w, err)
		return
	}
	log.Info("image stored", "bytes", size, "sha256", image.SHA256, "checked", want != "", "took", time.Since(began).Round(time.Millisecond))
	if replaced {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Location", "/images/"+name)
	w.WriteHeader(http.StatusCreated)
}

const digestHeader = "Repr-Digest"

// digest is the SHA-256 (hex) that the sender gave before or after the body,
// "" where it gave none and promised none.
func digest(r *http.Request, promised bool) (string, error) {
	text := r.Trailer.Get(digestHeader)
	if text == "" && promised {
		return "", fmt.Errorf("%w: the trailer %s was announced and did not come", errRequest, digestHeader)
	}
	if text == "" {
		text = r.Header.Get(digestHeader)
	}
	if text == "" {
		return "", nil
	}
	return parseDigest(text)
}

// parseDigest finds sha-256 in a dictionary such as
// "md5=:...:, sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:".
func parseDigest(text string) (string, error) {
	for item := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		if key != "sha-256" {
			continue
		}
		value, ok := strings.CutPrefix(value, ":")
		value, closed := strings.CutSuffix(value, ":")
		sum, err := base64.StdEncoding.DecodeString(value)
		if !ok || !closed || err != nil || len(sum) != 32 {
			return "", fmt.Errorf("%w: %s: sha-256 is not 32 bytes of base64 between colons", errRequest, digestHeader)
		}
		return hex.EncodeToString(sum), nil
	}
	return "", fmt.Errorf("%w: %s has no sha-256", errRequest, digestHeader)
}

// patient reads a body whose sender must not be silent for too long.
type patient struct {
	control *http.ResponseController
	body    io.Reader
	err     error // that ended reading, nil for a whole body
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.control.SetReadDeadline(time.Now().Add(uploadPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := p.body.Read(b)
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}
