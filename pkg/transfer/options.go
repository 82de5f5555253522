package transfer

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// DefaultPatience is Options.Patience where none is given.
const DefaultPatience = 60 * time.Second

// Options say how to transfer. The zero value is good.
type Options struct {
	Client   *http.Client  // nil means NewClient()
	Patience time.Duration // give up after so long without a byte; 0 means DefaultPatience
	Stall    time.Duration // reconnect after so long without a byte; 0 means a quarter of Patience
	Tail     int64         // OpenRanges: bytes from the end to fetch at once; 0 means DefaultTail
	Log      *slog.Logger  // nil means none
	Note     func(string)  // told, in words for people, of each interruption; may be nil
}

// NewClient returns an HTTP client for bulk data: no compression, no HTTP/2, no
// limit on a whole request.
func NewClient() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: 5 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   maxRanges,
		DisableCompression:    true,
		ReadBufferSize:        256 << 10,
		WriteBufferSize:       256 << 10,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
}

func (o Options) withDefaults() Options {
	if o.Client == nil {
		o.Client = NewClient()
	}
	o.Tail = cmp.Or(o.Tail, DefaultTail)
	o.Patience = cmp.Or(o.Patience, DefaultPatience)
	o.Stall = min(cmp.Or(o.Stall, o.Patience/4), o.Patience)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	return o
}

// tell reports an interruption to the log and to people.
func (o Options) tell(msg string, args ...any) {
	o.Log.Warn(msg, args...)
	o.Note(msg)
}
