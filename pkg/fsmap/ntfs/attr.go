package ntfs

import (
	"bytes"
	"encoding/binary"

	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/internal/cluster"
)

// maxList is the most bytes that an attribute list may have.
const maxList = 256 << 10

// openMFT finds all of the MFT. Its first piece tells where the next record
// is that has another piece, and so on.
func (v *volume) openMFT() error {
	one := (v.boot.record + v.heap.Size - 1) / v.heap.Size
	v.mft = &stream{runs: []run{{0, v.mftAt, one}}, size: v.boot.record, valid: v.boot.record}
	mft, err := v.system(recMFT, typeData, "")
	if err != nil {
		return err
	}
	if len(mft.runs) == 0 || mft.runs[0].lcn != v.mftAt {
		return fsmap.Unsafef(kind, "MFT is not at cluster %d", v.mftAt)
	}
	v.mft = mft
	mirror, err := v.system(recMFTMirr, typeData, "")
	if err != nil {
		return err
	}
	if len(mirror.runs) == 0 || mirror.runs[0].lcn != v.mirrAt {
		return fsmap.Unsafef(kind, "copy of the MFT is not at cluster %d", v.mirrAt)
	}
	b := make([]byte, v.boot.record)
	for n := int64(0); n < 4; n++ {
		if err := v.read(mirror, b, n*v.boot.record, "copy of the MFT"); err != nil {
			return err
		}
		copied, err := parse(b, n)
		if err != nil {
			return err
		}
		rec, err := v.record(n)
		if err != nil {
			return err
		}
		if !bytes.Equal(rec.data, copied.data) {
			return fsmap.Unsafef(kind, "record %d of the MFT differs from its copy: run chkdsk", n)
		}
	}
	return nil
}

// system is an attribute that has to be there and to lie in clusters of its own.
func (v *volume) system(n int64, typ uint32, name string) (*stream, error) {
	s, err := v.attr(n, typ, name)
	if err == nil && (s == nil || s.value != nil) {
		err = fsmap.Unsafef(kind, "MFT record %d has no attribute %#x", n, typ)
	}
	if err != nil {
		return nil, err
	}
	v.own = v.own.Union(v.extents(s))
	return s, nil
}

// attr is the content of an attribute of file n, nil where it has none.
func (v *volume) attr(n int64, typ uint32, name string) (*stream, error) {
	rec, err := v.record(n)
	if err != nil {
		return nil, err
	}
	if rec.base != 0 {
		return nil, fsmap.Unsafef(kind, "MFT record %d belongs to %d", n, rec.base)
	}
	for i := range rec.attrs {
		if a := &rec.attrs[i]; a.kind == typeList {
			list := &stream{}
			if err := v.extend(list, a); err != nil {
				return nil, err
			}
			return v.listed(n, list, typ, name)
		}
	}
	s := &stream{}
	found, err := v.take(s, rec, typ, name, 0)
	if err != nil || !found {
		return nil, err
	}
	return s, s.whole(v.heap.Size, n, typ)
}

// take extends s by the piece in rec that begins with cluster first.
func (v *volume) take(s *stream, rec *record, typ uint32, name string, first int64) (bool, error) {
	for i := range rec.attrs {
		if a := &rec.attrs[i]; a.kind == typ && a.name == name && a.first == first {
			return true, v.extend(s, a)
		}
	}
	return false, nil
}

// extend puts a piece behind what s has.
func (v *volume) extend(s *stream, a *attribute) error {
	if a.flags&(flagCompressed|flagEncrypted) != 0 {
		return fsmap.Unsafef(kind, "attribute %#x of metadata is compressed or encrypted", a.kind)
	}
	if a.first == 0 {
		s.size, s.valid = a.size, min(a.valid, a.size)
	}
	if a.resident {
		s.value = append([]byte{}, a.value...) // never nil
		return nil
	}
	return s.add(a, v.heap.Count)
}

// whole checks that there are as many clusters as the size needs.
func (s *stream) whole(unit, n int64, typ uint32) error {
	if s.value == nil && (s.size+unit-1)/unit > s.next {
		return fsmap.Unsafef(kind, "attribute %#x of MFT record %d has %d bytes in %d clusters", typ, n, s.size, s.next)
	}
	return nil
}

// listed is attr by an attribute list, which tells for each piece of each
// attribute in what record it is.
func (v *volume) listed(n int64, list *stream, typ uint32, name string) (*stream, error) {
	le := binary.LittleEndian
	if list.size > maxList || list.valid < list.size {
		return nil, fsmap.Unsafef(kind, "attribute list of %d bytes", list.size)
	}
	b := make([]byte, list.size)
	if err := v.read(list, b, 0, "attribute list"); err != nil {
		return nil, err
	}
	var s *stream
	for len(b) > 0 {
		if len(b) < 26 {
			return nil, fsmap.Unsafef(kind, "attribute list of MFT record %d is cut short", n)
		}
		size, off, chars := int(le.Uint16(b[4:])), int(b[7]), int(b[6])
		if size < 26 || size > len(b) || off+2*chars > size {
			return nil, fsmap.Unsafef(kind, "attribute list of MFT record %d makes no sense", n)
		}
		e := b[:size]
		b = b[size:]
		if le.Uint32(e) != typ || cluster.UTF16(e[off:off+2*chars]) != name {
			continue
		}
		if s == nil {
			s = &stream{}
		}
		if err := v.piece(s, n, le.Uint64(e[16:]), typ, name, int64(le.Uint64(e[8:]))); err != nil {
			return nil, err
		}
		if n == recMFT && typ == typeData {
			v.mft = s // where the records of the next pieces are
		}
	}
	if s == nil {
		return nil, nil
	}
	return s, s.whole(v.heap.Size, n, typ)
}

// piece extends s by the piece of file n that is in the record ref refers to.
func (v *volume) piece(s *stream, n int64, ref uint64, typ uint32, name string, first int64) error {
	at := int64(ref & refMask)
	rec, err := v.record(at)
	if err != nil {
		return err
	}
	if at != n && rec.base != n || rec.seq != uint16(ref>>48) {
		return fsmap.Unsafef(kind, "MFT record %d is not part of %d", at, n)
	}
	found, err := v.take(s, rec, typ, name, first)
	if err == nil && !found {
		err = fsmap.Unsafef(kind, "MFT record %d lacks attribute %#x of %d", at, typ, n)
	}
	return err
}
