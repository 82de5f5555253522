package queue

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asks has a client that has lost so many blocks of a chunk ask for them.
func asks(t *testing.T, q *Queue, chunk, n int) {
	t.Helper()
	m := want(chunk, [2]int{0, n})
	q.Lost(m)
	if _, err := q.Add(0, m); err != nil {
		t.Fatal(err)
	}
}

func TestAhead(t *testing.T) {
	// lose sends chunk 0, of which so many blocks are lost.
	lose := func(t *testing.T, q *Queue, n int) {
		t.Helper()
		q.Add(0, whole(0))
		drain(q, 0, 1024)
		asks(t, q, 0, n)
		drain(q, 0, 1024)
	}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, q *Queue)
		want []sent // when chunk 1 is asked for then
	}{
		{"nothing was lost", func(*testing.T, *Queue) {}, []sent{{1, 0, 1024, 0}}},
		{"some was", func(t *testing.T, q *Queue) { lose(t, q, 8) }, []sent{{1, 0, 1024, 0}, {1, -1, 5, 0}}},
		{"much was, once", func(t *testing.T, q *Queue) { lose(t, q, 400) }, []sent{{1, 0, 1024, 0}, {1, -1, 6, 0}}},
		{"much was, and again", func(t *testing.T, q *Queue) {
			lose(t, q, 400)
			lose(t, q, 400)
		}, []sent{{1, 0, 1024, 0}, {1, -1, 13, 0}}},
		{"all the time", func(t *testing.T, q *Queue) {
			for range 50 {
				lose(t, q, 400)
			}
		}, []sent{{1, 0, 1024, 0}, {1, -1, 335, 0}}}, // costly: the rest has to ask
		{"who asks was not there", func(t *testing.T, q *Queue) {
			q.Add(0, whole(0))
			drain(q, 0, 1024)
			q.Add(0, want(0, [2]int{0, 100}))
			drain(q, 0, 1024)
		}, []sent{{1, 0, 1024, 0}}},
		{"it is long ago", func(t *testing.T, q *Queue) {
			lose(t, q, 20)
			for range 100 {
				q.Add(0, whole(0))
				drain(q, 0, 1024)
			}
		}, []sent{{1, 0, 1024, 0}}},
		{"somebody does not understand it", func(t *testing.T, q *Queue) {
			lose(t, q, 20)
			q.Code(false, 0)
		}, []sent{{1, 0, 1024, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := New(layout(t, 2048), 0)
			q.Code(true, 0)
			c.do(t, q)
			q.Add(0, whole(1))
			if diff := cmp.Diff(c.want, drain(q, 0, 1024)); diff != "" || q.Blocks() != 0 {
				t.Errorf("%d blocks left (-want +got):\n%s", q.Blocks(), diff)
			}
		})
	}
}

// TestAheadFits has 32 clients lose what they lose, independently. What is sent
// ahead comes to about what the neediest lacks, so that some chunks are asked for:
// from those the queue knows that it is not too much.
func TestAheadFits(t *testing.T) {
	for _, c := range []struct {
		loss       float64
		least, top float64 // coded blocks by blocks
		asked      float64 // chunks, at most
	}{
		{0.001, 0.003, 0.006, 0.15}, {0.01, 0.015, 0.022, 0.3}, {0.05, 0.06, 0.08, 0.5}, {0.15, 0.18, 0.22, 0.7},
	} {
		r := rand.New(rand.NewPCG(1, 9))
		const chunks = 400
		q := New(layout(t, chunks*1024), 0)
		q.Code(true, 0)
		asked := 0
		for k := range chunks {
			q.Add(0, whole(k))
			n := 0
			for _, s := range drain(q, 0, 1024) {
				n += s[2]
			}
			neediest := 0
			for range 32 {
				lost := 0
				for range n {
					if r.Float64() < c.loss {
						lost++
					}
				}
				neediest = max(neediest, lost)
			}
			if lacks := neediest - (n - 1024); lacks > 0 {
				asked++
				asks(t, q, k, lacks)
				drain(q, 0, 1024)
			}
		}
		coded, share := float64(q.Stats().Coded)/(chunks*1024), float64(asked)/chunks
		t.Logf("%.1f %% lost: %.4f coded blocks for each, %.2f of the chunks asked for", c.loss*100, coded, share)
		if coded < c.least || coded > c.top || share < 0.05 || share > c.asked {
			t.Errorf("%.1f %% lost: %.4f coded blocks for each, %.2f of the chunks asked for", c.loss*100, coded, share)
		}
	}
}
