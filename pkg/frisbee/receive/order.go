package receive

// order is in which order chunks are asked for: runs of n consecutive chunks,
// the runs in random order.
type order struct {
	runs []int32 // run numbers, in order
	n    int64   // chunks of a run
	end  int64   // number of chunks
	head int     // runs before this one lack nothing
}

func newOrder(chunks int64, n int, random func(int) int) order {
	o := order{n: int64(n), end: chunks, runs: make([]int32, (chunks+int64(n)-1)/int64(n))}
	for i := range o.runs {
		o.runs[i] = int32(i)
	}
	if random != nil {
		for i := len(o.runs) - 1; i > 0; i-- {
			j := random(i + 1)
			o.runs[i], o.runs[j] = o.runs[j], o.runs[i]
		}
	}
	return o
}

// walk gives all chunks in order that are not over, until yield says stop.
// Runs that are wholly over at the front are not looked at again.
func (o *order) walk(over func(int32) bool, yield func(int32) bool) {
	for i := o.head; i < len(o.runs); i++ {
		all := true
		first := int64(o.runs[i]) * o.n
		for k := first; k < min(first+o.n, o.end); k++ {
			if over(int32(k)) {
				continue
			}
			all = false
			if !yield(int32(k)) {
				return
			}
		}
		if all && i == o.head {
			o.head++
		}
	}
}

// after is the chunk that follows k in its run.
func (o *order) after(k int32) (int32, bool) {
	next := int64(k) + 1
	return int32(next), next < o.end && next%o.n != 0
}

// rewind looks at all runs again, because something is lacking once more.
func (o *order) rewind() { o.head = 0 }
