package web

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/imaging"
)

func (s *Site) listImages(w http.ResponseWriter, r *http.Request) {
	s.Images.Expire()
	list, err := s.Images.List()
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, list)
}

func (s *Site) readImage(w http.ResponseWriter, r *http.Request) {
	if name, is := strings.CutSuffix(r.PathValue("name"), frisbee.SumsSuffix); is {
		s.sums(w, r, name)
		return
	}
	f, err := s.Images.Open(r.PathValue("name"))
	if err != nil {
		refuse(w, err)
		return
	}
	if root, ok := s.Images.Root(f); ok {
		w.Header().Set(imaging.RootHeader, root.String())
	}
	s.send(w, r, f)
}

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
