package qcow2

// run is neighbouring mappings of one kind that one read of the file serves.
type run struct {
	m    *Image
	p    []byte // the caller's buffer, for the disk from base on
	base int64

	maps      []mapping
	host, end int64 // range of the file
	sum       int64 // bytes of it that are wanted
	failed    int64 // after an error: the disk was read up to here
}

// dest is the part of the caller's buffer that at fills.
func (r *run) dest(at mapping) []byte { return r.p[at.off-r.base : at.end-r.base : at.end-r.base] }

// add serves at, now or with the next flush.
func (r *run) add(at mapping) error {
	switch at.kind {
	case hole:
		clear(r.dest(at))
		return nil
	case plain:
		return r.addPlain(at)
	}
	if whole := at.off&(r.m.h.cluster()-1) == 0 && at.end-at.off == r.m.h.cluster(); !whole {
		return r.part(at)
	}
	// Compressed clusters lie back to back, mostly in order.
	host, end, size := min(r.host, at.host), max(r.end, at.tail), at.tail-at.host
	if len(r.maps) == 0 || r.maps[0].kind != packed || end-host > batchSize || end-host > 2*(r.sum+size) {
		if err := r.flush(); err != nil {
			return err
		}
		host, end, r.sum = at.host, at.tail, 0
	}
	r.host, r.end, r.sum = host, end, r.sum+size
	r.maps = append(r.maps, at)
	return nil
}

func (r *run) addPlain(at mapping) error {
	if n := len(r.maps) - 1; n >= 0 && r.maps[n].kind == plain && r.maps[n].end == at.off && r.end == at.host {
		r.maps[n].end = at.end
		r.end += at.end - at.off
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	r.maps = append(r.maps, at)
	r.host, r.end = at.host, at.host+at.end-at.off
	return nil
}

// part copies from a compressed cluster of which not all is wanted.
func (r *run) part(at mapping) error {
	m := r.m
	if err := r.flush(); err != nil {
		return err
	}
	first := at.off &^ (m.h.cluster() - 1)
	b, err := m.clusters.get(first, func() ([]byte, error) {
		in := m.buffer(int(at.tail - at.host))
		defer m.buffers.Put(in)
		if err := readFull(m.r, *in, at.host, "cluster"); err != nil {
			return nil, err
		}
		b := make([]byte, m.h.cluster())
		return b, m.unpack(b, *in, at.host)
	})
	if err != nil {
		r.failed = at.off
		return err
	}
	copy(r.dest(at), b[at.off-first:])
	return nil
}

// flush reads and decodes what was added.
func (r *run) flush() error {
	if len(r.maps) == 0 {
		return nil
	}
	m, maps := r.m, r.maps
	r.maps = r.maps[:0]
	r.failed = maps[0].off
	if maps[0].kind == plain {
		return readFull(m.r, r.dest(maps[0]), r.host, "cluster")
	}
	in := m.buffer(int(r.end - r.host))
	defer m.buffers.Put(in)
	if err := readFull(m.r, *in, r.host, "cluster"); err != nil {
		return err
	}
	for _, at := range maps {
		if err := m.unpack(r.dest(at), (*in)[at.host-r.host:at.tail-r.host], at.host); err != nil {
			r.failed = at.off
			return err
		}
	}
	return nil
}

// buffer is one of n bytes for compressed data, to be put back.
func (m *Image) buffer(n int) *[]byte {
	b, _ := m.buffers.Get().(*[]byte)
	if b == nil || cap(*b) < n {
		b = new([]byte)
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return b
}
