package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// Get reads a small file, a URL or a path, of at most max bytes.
func Get(ctx context.Context, source string, max int64, o Options) ([]byte, error) {
	s, err := Open(ctx, source, nil, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b, err := io.ReadAll(io.LimitReader(s, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("fetch %s: longer than the %d bytes expected of such a file", s.Name(), max)
	}
	return b, nil
}

// Download writes a URL or path to f, from its present position on. With a
// sha256 (hex) the content is compared with it: *HashError.
func Download(ctx context.Context, source string, f *os.File, sha256sum string, o Options) error {
	s, err := Open(ctx, source, nil, o)
	if err != nil {
		return err
	}
	defer s.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, h)}, struct{ io.Reader }{s}, buf); err != nil {
		return fmt.Errorf("download %s to %s: %w", s.Name(), f.Name(), err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); sha256sum != "" && !strings.EqualFold(got, sha256sum) {
		return &HashError{Name: s.Name(), Want: strings.ToLower(sha256sum), Got: got}
	}
	return nil
}
