package queue

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire/pcaptest"
)

// TestReplay gives the requests of real clients to a queue that is asked for a
// block whenever the real server sent one: it must be the same block.
func TestReplay(t *testing.T) {
	for _, c := range []struct {
		name string
		// The first requests of two clients came at a time, and the server took
		// them in another order than the capture: chunk 2 before chunk 1.
		swapped bool
	}{
		{"session-2011.pcap.gz", false},
		{"session-2016.pcap.gz", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var q *Queue
			var asked []wire.Partial
			var want, got []wire.Request
			for _, f := range pcaptest.Load(t, c.name) {
				p, err := wire.Parse(f.Payload, wire.Standard)
				if f.Proto != pcaptest.UDP || err != nil {
					continue
				}
				if m, ok := p.JoinReply(); ok && q == nil {
					l, err := m.Layout(wire.Standard)
					if err != nil {
						t.Fatal(err)
					}
					q = New(l, 0)
				}
				if m, ok := p.Wanted(); ok {
					asked = append(asked, m)
				}
				m, ok := p.Block()
				if !ok {
					continue
				}
				if c.swapped && len(want) == 0 {
					asked[0], asked[1] = asked[1], asked[0]
				}
				for i := range asked {
					if _, err := q.Add(0, &asked[i]); err != nil {
						t.Errorf("frame %d: %v", f.Number, err)
					}
				}
				asked = asked[:0]
				want = append(want, wire.Request{Chunk: m.Chunk, First: m.Index, Count: 1})
				if r, ok := q.Next(0, 1); ok {
					got = append(got, r.Request)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" || q.Blocks() != 0 {
				t.Errorf("%d blocks left (-want +got):\n%s", q.Blocks(), diff)
			}
		})
	}
}
