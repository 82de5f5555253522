package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
)

const maxSums = 4 << 20 // bytes of a SHA256SUMS file

// Sidecar finds the SHA-256 published beside a file: in SOURCE.sha256 or else
// in a SHA256SUMS of the same directory. It returns 64 lower-case hex digits.
func Sidecar(ctx context.Context, source string, o Options) (string, error) {
	if source == "-" || source == "" {
		return "", errors.New("find checksum: standard input has no file beside it")
	}
	own, sums, name, err := beside(source)
	if err != nil {
		return "", err
	}
	text, err := Get(ctx, own, maxSums, o)
	if err == nil {
		return sumOf(string(text), name, own, true)
	}
	if !absent(err) {
		return "", fmt.Errorf("find checksum: %w", err)
	}
	text, err2 := Get(ctx, sums, maxSums, o)
	switch {
	case err2 == nil:
		return sumOf(string(text), name, sums, false)
	case absent(err2):
		return "", fmt.Errorf("find checksum of %s: neither %s.sha256 nor SHA256SUMS is beside it: %w", redacted(source), name, err)
	}
	return "", fmt.Errorf("find checksum: %w", err2)
}

// beside names the two places where the checksum of source may be.
func beside(source string) (own, sums, name string, err error) {
	if !isURL(source) {
		return source + ".sha256", path.Join(path.Dir(source), "SHA256SUMS"), path.Base(source), nil
	}
	u, err := url.Parse(source)
	if err != nil {
		return "", "", "", fmt.Errorf("find checksum: %w", err)
	}
	name = path.Base(u.Path)
	v := *u
	v.RawPath = ""
	v.Path = u.Path + ".sha256"
	own = v.String()
	v.Path = strings.TrimSuffix(u.Path, name) + "SHA256SUMS"
	return own, v.String(), name, nil
}

func absent(err error) bool {
	var s *StatusError
	return errors.Is(err, fs.ErrNotExist) ||
		errors.As(err, &s) && (s.Code == http.StatusNotFound || s.Code == http.StatusGone)
}

// sumOf finds the line for name in the output of sha256sum, plain or --tag. In
// the file's own sidecar a single line needs no name, or may have another one.
func sumOf(text, name, file string, own bool) (string, error) {
	var found []string // sums of all lines
	for line := range strings.Lines(text) {
		sum, of, ok := parseSum(strings.TrimSpace(line))
		if !ok {
			continue
		}
		if of != "" && path.Base(of) == name {
			return sum, nil
		}
		found = append(found, sum)
	}
	switch {
	case own && len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", fmt.Errorf("read %s: no SHA-256 in it (want the output of sha256sum)", redacted(file))
	}
	return "", fmt.Errorf("read %s: no line for %s among its %d", redacted(file), name, len(found))
}

// parseSum decodes "HEX", "HEX  NAME", "HEX *NAME" and "SHA256 (NAME) = HEX".
func parseSum(line string) (sum, name string, ok bool) {
	if rest, tagged := strings.CutPrefix(line, "SHA256 ("); tagged {
		i := strings.LastIndex(rest, ") = ")
		if i < 0 {
			return "", "", false
		}
		name, sum = rest[:i], rest[i+4:]
	} else {
		sum, name, _ = strings.Cut(line, " ")
		name = strings.TrimPrefix(strings.TrimSpace(name), "*")
	}
	sum = strings.ToLower(sum)
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return "", "", false
	}
	return sum, name, true
}
