package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head/images"
)

const (
	// uploadPatience is how long a sender may be silent before its connection is
	// given up.
	uploadPatience = 2 * time.Minute

	// ackEvery is how many bytes arrive between words to the sender that they did,
	// so that it need not keep them.
	ackEvery = 1 << 20

	// beat is how often the sender hears of an upload that is being checked: less
	// often than a sender loses patience.
	beat = 5 * time.Second
)

// intake is the body of a request on its way into the store.
type intake struct {
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	ctx     context.Context // ends with the request, or when another takes over
	cancel  context.CancelFunc
	stopped atomic.Bool
	err     error // that ended reading, nil for a whole body

	upload *images.Upload
	acks   bool  // the sender wants to hear how far we are
	acked  int64 // bytes
}

func newIntake(w http.ResponseWriter, r *http.Request) *intake {
	in := &intake{w: w, r: r, control: http.NewResponseController(w)}
	in.ctx, in.cancel = context.WithCancel(r.Context())
	return in
}

// end leaves the connection to the next request.
func (in *intake) end() {
	in.cancel()
	if !in.stopped.Load() {
		in.control.SetWriteDeadline(time.Time{})
	}
}

// stop makes reading fail, from another goroutine.
func (in *intake) stop() {
	in.stopped.Store(true)
	in.cancel()
	past := time.Unix(1, 0)
	in.control.SetReadDeadline(past) // without deadlines the other request waits
	in.control.SetWriteDeadline(past)
}

var errTaken = errors.New("another request goes on with this upload")

// Read reads the body of a sender that must not be silent for too long.
func (in *intake) Read(b []byte) (int, error) {
	err := in.control.SetReadDeadline(time.Now().Add(uploadPatience))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		in.err = err // the connection is closed
		return 0, err
	}
	if in.stopped.Load() { // checked after the deadline is set, which stop does in the other order
		in.err = errTaken
		return 0, errTaken
	}
	n, err := in.r.Body.Read(b)
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// Write stores bytes, and says so now and then.
func (in *intake) Write(b []byte) (int, error) {
	n, err := in.upload.Write(b)
	if err == nil && in.acks && in.upload.Offset()-in.acked >= ackEvery {
		in.ack()
	}
	return n, err
}

// ack tells the sender by an interim answer how much has arrived.
func (in *intake) ack() {
	in.acked = in.upload.Offset()
	in.w.Header().Set(offsetHeader, strconv.FormatInt(in.acked, 10))
	in.interim()
	in.w.Header().Del(offsetHeader)
}

// interim sends the headers set so far with the status that says "this upload
// can be resumed".
func (in *intake) interim() {
	in.w.Header().Set(interopHeader, interop)
	in.deadline()
	in.w.WriteHeader(statusResumable)
	in.w.Header().Del(interopHeader)
}

// deadline gives the sender time to read the next answer.
func (in *intake) deadline() {
	in.control.SetWriteDeadline(time.Now().Add(uploadPatience)) // where it is not supported nothing is lost
	if in.stopped.Load() {
		in.stop()
	}
}

// commit publishes the upload, and keeps its sender from losing patience.
func (in *intake) commit(want string, every time.Duration) (image images.Image, replaced bool, err error) {
	ctx := in.ctx
	if in.upload.ID() == "" {
		ctx = context.WithoutCancel(ctx) // its sender cannot come back
	}
	var beats sync.WaitGroup
	done := make(chan struct{})
	if in.acks {
		in.ack()
		beats.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					in.ack()
				case <-done:
					return
				}
			}
		})
	}
	image, replaced, err = in.upload.Commit(ctx, want)
	close(done)
	beats.Wait()
	in.deadline()
	return image, replaced, err
}
