package transfer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

// StatusError is an answer that trying again won't mend.
type StatusError struct {
	Method string
	URL    string
	Code   int
	Body   string // the beginning of what the server said, printable
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s: server answers %d %s", verb(e.Method), e.URL, e.Code, http.StatusText(e.Code))
	if e.Body != "" {
		s += ": " + e.Body
	}
	if hint := statusHints[e.Code]; hint != "" {
		s += " (" + hint + ")"
	}
	return s
}

var statusHints = map[int]string{
	401: "the URL needs credentials",
	403: "the server may not read that file, or not for you",
	404: "check the name in the URL",
	405: "that server does not accept uploads here",
	409: "a file of that name is there or being written",
	413: "the server limits the size of uploads",
	507: "the server's disk is full",
}

// ChangedError reports that the file on the server is no longer the one
// whose first bytes were read.
type ChangedError struct {
	URL      string
	Offset   int64  // bytes read of the former version
	Was, Now string // what tells the versions apart
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("fetch %s: file changed on the server after %s were read (was %s, now %s): start again",
		e.URL, units.Bytes(e.Offset), e.Was, e.Now)
}

// RangeError reports a server that cannot be trusted to continue a file: it
// answers a range request with other bytes, or not with a range at all.
type RangeError struct {
	URL    string
	Offset int64 // where the transfer had to go on
	Reason string
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("fetch %s: cannot go on at %s: %s (use a server that supports range requests)",
		e.URL, units.Bytes(e.Offset), e.Reason)
}

// NoRangesError reports a source of which no parts can be read, only all of it
// from its beginning.
type NoRangesError struct {
	URL  string // or path
	Code int    // of the answer to a range request, 0 where there was none
	size int64  // as far as the answer told it, or -1
}

func (e *NoRangesError) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("fetch %s: not a regular file or disk: it cannot be read in parts", e.URL)
	}
	return fmt.Sprintf("fetch %s: the server answers a range request with %d %s: the file cannot be read in parts",
		e.URL, e.Code, http.StatusText(e.Code))
}

// StalledError reports that no byte came for as long as Options.Patience.
type StalledError struct {
	Method string
	URL    string
	Offset int64         // bytes moved before
	Size   int64         // of the file, -1 unknown
	Waited time.Duration // without a byte
	Err    error         // the last thing that went wrong
}

func (e *StalledError) Error() string {
	at := units.Bytes(e.Offset)
	if e.Size >= 0 {
		at += " of " + units.Bytes(e.Size)
	}
	return fmt.Sprintf("%s %s: nothing for %v, gave up at %s: %v (is the server up, and the network?)",
		verb(e.Method), e.URL, e.Waited.Round(100*time.Millisecond), at, e.Err)
}

func (e *StalledError) Unwrap() error { return e.Err }

// HashError reports a file that is not the one wanted.
type HashError struct {
	Name      string
	Want, Got string // SHA-256, hex
}

func (e *HashError) Error() string {
	return fmt.Sprintf("verify %s: sha256 is %s, want %s (damaged, or another version of the file)", e.Name, e.Got, e.Want)
}

// errSilent is why a connection was dropped by us.
var errSilent = errors.New("connection silent")

// fatal returns the error to give up with at once, or nil where trying
// again may help.
func fatal(err error) error {
	var (
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		notTLS   tls.RecordHeaderError
		scheme   = errors.Is(err, http.ErrSchemeMismatch)
		urlError *url.Error
	)
	if errors.As(err, &urlError) {
		err = urlError.Err // the URL is in our own message
	}
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w (check this machine's clock first, then the server's certificate)", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w (add the CA's certificate to this system's, or name its file in SSL_CERT_FILE, or use http with a sha256)", err)
	case errors.As(err, &host):
		return fmt.Errorf("%w (use the name the certificate was made for)", err)
	case errors.As(err, &verify):
		return err
	case scheme || errors.As(err, &notTLS):
		return fmt.Errorf("%w (the server does not speak TLS on that port: use http://)", err)
	}
	return nil
}

// cause strips what our own messages repeat.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func verb(method string) string {
	if method != http.MethodGet && method != http.MethodHead {
		return "send"
	}
	return "fetch"
}
