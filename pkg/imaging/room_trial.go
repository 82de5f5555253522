package imaging

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
)

// fewWrong are the parts of an image that may be wrong before they are weighed
// against those that are right.
const fewWrong = 16

// errLies ends a session of which most is wrong.
var errLies = errors.New("more of it is wrong than right: it is another version of the image, or somebody forges it")

// trial weighs what came by multicast, and keeps what it ended with that is not
// the network's doing: the disk's error.
type trial struct {
	right, wrong atomic.Int64 // parts of the image
	broken       atomic.Pointer[error]
}

// within gives a function that takes chunks in the context of the writing. Where
// the session's is done, it has ended, perhaps for no fault of the disk's: what
// has come is written all the same.
func within(ctx context.Context, take func(context.Context, int32, []byte) error) func(context.Context, int32, []byte) error {
	return func(_ context.Context, k int32, data []byte) error { return take(ctx, k, data) }
}

// fails ends it.
func (t *trial) fails(err error) error {
	t.broken.CompareAndSwap(nil, &err)
	return err
}

// judge is errLies if there is no end of it.
func (t *trial) judge() error {
	if wrong := t.wrong.Load(); wrong > fewWrong && wrong > t.right.Load() {
		return errLies
	}
	return nil
}

// outcome is what err, with which a session ended, means for the image: the rest
// comes by HTTP, which a note says once. It is an error where that is of no use.
func (t *trial) outcome(ctx context.Context, err error, r *report, parts string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if broken := t.broken.Load(); broken != nil {
		return *broken
	}
	switch wrong := t.wrong.Load(); {
	case errors.Is(err, frisbee.ErrNoMulticast):
		r.warn(api.Fetch, fmt.Sprintf("multicast does not arrive (%v): going by HTTP", err))
	case err != nil:
		r.warn(api.Fetch, fmt.Sprintf("multicast is of no use (%v): going by HTTP", err))
	case wrong > 0:
		r.warn(api.Fetch, fmt.Sprintf("%d %s came wrong by multicast (damaged, forged, or of another version of the image): they are fetched by HTTP", wrong, parts))
	}
	return nil
}
