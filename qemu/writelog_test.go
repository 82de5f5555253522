package qemu

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry is one of a log with sectors of n bytes.
func entry(n int, first, count, flags uint64, data []byte) []byte {
	b := make([]byte, n)
	for i, v := range []uint64{first, count, flags} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	return append(b, data...)
}

func super(magic, version uint64, n uint32) []byte {
	b := make([]byte, max(n, 512))
	binary.LittleEndian.PutUint64(b, magic)
	binary.LittleEndian.PutUint64(b[8:], version)
	binary.LittleEndian.PutUint32(b[24:], n)
	return b
}

func TestParseLog(t *testing.T) {
	const n, size = 4096, 1 << 20
	data := bytes.Repeat([]byte{7}, 2*n)
	good := super(logMagic, 1, n)
	good = append(good, entry(n, 3, 2, 0, data)...)
	good = append(good, entry(n, 0, 0, logFlush, nil)...)
	good = append(good, entry(n, 200, 56, logDiscard, nil)...)
	good = append(good, entry(n, 5, 1, logFlush, data[:n])...)
	want := []Request{
		{Op: Write, Off: 3 * n, Len: 2 * n, Data: data}, {Op: Flush},
		{Op: Write, Off: 200 * n, Len: 56 * n},
		{Op: Flush}, {Op: Write, Off: 5 * n, Len: n, Data: data[:n]},
	}
	for _, tt := range []struct {
		name string
		log  []byte
		want []Request
		err  string // part of it
	}{
		{"all kinds", good, want, ""},
		{"cut off in data", good[:len(good)-1], want[:4], ""},
		{"cut off in an entry", good[:len(good)-n-1], want[:3], ""},
		{"empty", nil, nil, "first sector"},
		{"other magic", super(1, 1, n), nil, "not those of a write log"},
		{"other version", super(logMagic, 2, n), nil, "not those of a write log"},
		{"odd sectors", super(logMagic, 1, 700), nil, "sectors of 700 bytes"},
		{"behind the end", append(super(logMagic, 1, n), entry(n, 255, 2, logDiscard, nil)...), nil, "the disk has 256"},
		{"behind all ends", append(super(logMagic, 1, n), entry(n, 1, 1<<64-1, logDiscard, nil)...), nil, "the disk has 256"},
		{"a mark", append(super(logMagic, 1, n), entry(n, 0, 0, 1<<3, nil)...), nil, "unknown flags 0x8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseLog(bytes.NewReader(tt.log), size)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApply(t *testing.T) {
	disk := []byte{1, 1, 1, 1}
	Request{Op: Flush}.Apply(disk)
	Request{Op: Write, Off: 1, Len: 3, Data: []byte{2, 3, 4}}.Part(1, 1).Apply(disk)
	Request{Op: Write, Off: 3, Len: 1}.Apply(disk)
	if diff := cmp.Diff([]byte{1, 1, 3, 0}, disk); diff != "" {
		t.Errorf("disk (-want +got):\n%s", diff)
	}
}

func TestDrive(t *testing.T) {
	d := Disk{Path: "a,b", Log: "log", Faults: []Fault{{Op: Read, Off: 5120}, {Op: Flush, After: 1}}}
	want := "if=none,id=disk3,driver=raw,cache=writeback,discard=unmap,detect-zeroes=unmap," +
		"file.driver=blklogwrites,file.log.driver=file,file.log.filename=log,file.log.cache.no-flush=on," +
		"file.file.driver=blkdebug," +
		"file.file.inject-error.0.iotype=read,file.file.inject-error.0.event=none,file.file.inject-error.0.sector=10," +
		"file.file.inject-error.1.iotype=flush,file.file.inject-error.1.event=flush_to_disk,file.file.inject-error.1.state=2," +
		"file.file.set-state.0.event=flush_to_disk,file.file.set-state.0.state=1,file.file.set-state.0.new_state=2," +
		"file.file.image.driver=file,file.file.image.filename=a,,b,file.file.image.cache.no-flush=on"
	if diff := cmp.Diff(want, d.drive(3)); diff != "" {
		t.Errorf("drive (-want +got):\n%s", diff)
	}
}
