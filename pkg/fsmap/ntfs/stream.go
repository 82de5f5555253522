package ntfs

import (
	"sort"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// run is n clusters of a stream from its cluster vcn on; they are those from
// lcn on of the volume, or a hole.
type run struct{ vcn, lcn, n int64 }

const hole = -1

// maxRuns bounds the memory for a stream's runs.
const maxRuns = 1 << 20

// stream is the content of an attribute.
type stream struct {
	value []byte // if it is resident; the runs are not used then
	runs  []run
	next  int64 // the cluster behind the last run
	taken int64 // clusters of the volume
	size  int64 // bytes
	valid int64 // bytes; what lies behind reads as zeros
}

// add puts a piece's runs behind those that are there.
func (s *stream) add(a *attribute, clusters int64) error {
	bad := func(why string) error {
		return fsmap.Unsafef(kind, "runs of attribute %#x: %s", a.kind, why)
	}
	if a.first != s.next {
		return bad("a piece is missing")
	}
	b, lcn := a.pairs, int64(0)
	for len(b) > 0 && b[0] != 0 {
		count, delta := int(b[0]&0xf), int(b[0]>>4)
		if count == 0 || count > 8 || delta > 8 || 1+count+delta > len(b) {
			return bad("cut short")
		}
		n := number(b[1 : 1+count])
		r := run{s.next, hole, n}
		if delta > 0 {
			lcn += number(b[1+count : 1+count+delta])
			r.lcn = lcn
			if lcn < 0 || lcn >= clusters || n > clusters-lcn {
				return bad("beyond the volume's end")
			}
			if s.taken += max(n, 0); s.taken > clusters {
				return bad("more clusters than the volume has")
			}
		}
		if n <= 0 || n > a.last-s.next+1 {
			return bad("more clusters than it has")
		}
		if len(s.runs) == maxRuns {
			return bad("too many")
		}
		s.runs = append(s.runs, r)
		s.next += n
		b = b[1+count+delta:]
	}
	if s.next != a.last+1 {
		return bad("fewer clusters than it has")
	}
	return nil
}

// number is a signed little-endian number of up to 8 bytes.
func number(b []byte) int64 {
	n := int64(int8(b[len(b)-1]))
	for i := len(b) - 2; i >= 0; i-- {
		n = n<<8 | int64(b[i])
	}
	return n
}

// read fills b with the stream's bytes from off on. A hole is an error: no
// metadata has one.
func (v *volume) read(s *stream, b []byte, off int64, what string) error {
	if s.value != nil {
		if off < 0 || off > int64(len(s.value)) || copy(b, s.value[off:]) < len(b) {
			return fsmap.Unsafef(kind, "%s ends before %d", what, off+int64(len(b)))
		}
		return nil
	}
	for len(b) > 0 {
		vcn := off / v.heap.Size
		i := sort.Search(len(s.runs), func(i int) bool { return s.runs[i].vcn+s.runs[i].n > vcn })
		if i == len(s.runs) || s.runs[i].lcn == hole {
			return fsmap.Unsafef(kind, "%s has nothing at %d", what, off)
		}
		r := s.runs[i]
		from := off - r.vcn*v.heap.Size
		n := min(int64(len(b)), r.n*v.heap.Size-from)
		if err := cluster.Read(v.r, b[:n], r.lcn*v.heap.Size+from, what); err != nil {
			return err
		}
		b, off = b[n:], off+n
	}
	return nil
}

// extents is where the stream is on the volume.
func (v *volume) extents(s *stream) extent.Set {
	var all []extent.Range
	for _, r := range s.runs {
		if r.lcn != hole {
			all = append(all, v.heap.Range(r.lcn, r.n))
		}
	}
	return extent.NewSet(all...)
}
