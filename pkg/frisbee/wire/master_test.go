package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestMasterRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		len  int
		m    MasterRequest
	}{
		{"get", 272, Get{Methods: Multicast, ID: "raw8.ndz"}},
		{"get status for another", 272, Get{node12, AnyMethod, true, strings.Repeat("x", MaxID)}},
		{"get nothing", 272, Get{}},
		{"put", 287, Put{ID: "up.bin", Size: 1<<40 + 5, ModTime: 1 << 31, Timeout: 12}},
		{"put status for another", 287, Put{node12, true, strings.Repeat("y", MaxID), 1, 2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := c.m.Append([]byte("before"))
			if err != nil {
				t.Fatal(err)
			}
			if raw = raw[len("before"):]; len(raw) != c.len {
				t.Errorf("%d bytes, want %d", len(raw), c.len)
			}
			r := bytes.NewReader(append(raw[:len(raw):len(raw)], "after"...))
			got, err := ReadRequest(iotest.OneByteReader(r))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.m, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.Len() != len("after") {
				t.Errorf("%d bytes left, want %d", r.Len(), len("after"))
			}
			for n := range raw {
				want := io.ErrUnexpectedEOF
				if n == 0 {
					want = io.EOF
				}
				if m, err := ReadRequest(bytes.NewReader(raw[:n])); m != nil || !errors.Is(err, want) {
					t.Errorf("first %d of %d bytes: %v, %v", n, len(raw), m, err)
				}
			}
		})
	}
}

// reply is what the readers of replies have in common.
type reply[T any] struct {
	name string
	len  int
	m    T
	want error
}

func testReplies[T interface{ Append([]byte) []byte }](t *testing.T, read func(io.Reader) (T, error), cases []reply[T]) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			raw := c.m.Append([]byte("before"))[len("before"):]
			if len(raw) != c.len {
				t.Errorf("%d bytes, want %d", len(raw), c.len)
			}
			r := bytes.NewReader(append(raw[:len(raw):len(raw)], "after"...))
			got, err := read(iotest.OneByteReader(r))
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(c.m, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.Len() != len("after") {
				t.Errorf("%d bytes left, want %d", r.Len(), len("after"))
			}
			for n := range raw {
				if _, err := read(bytes.NewReader(raw[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("first %d of %d bytes: %v", n, len(raw), err)
				}
			}
			for _, off := range []int{0, 3, 4, 7} { // version and operation
				bad := bytes.Clone(raw)
				bad[off] ^= 1
				if _, err := read(bytes.NewReader(bad)); !errors.Is(err, ErrNotMaster) {
					t.Errorf("with another byte %d: %v", off, err)
				}
			}
			broken := errors.New("cable")
			if _, err := read(io.MultiReader(bytes.NewReader(raw[:50]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
				t.Errorf("broken connection: %v", err)
			}
		})
	}
}

func TestMasterReplies(t *testing.T) {
	group := [4]byte{239, 192, 1, 2}
	full := Signature{Kind: SHA1}
	for i := range full.Sum {
		full.Sum[i] = byte(i)
	}
	t.Run("get", func(t *testing.T) {
		testReplies(t, ReadGetReply, []reply[GetReply]{
			{"multicast", 288, GetReply{Multicast, true, 0, server, group, 34180, ModTimeSignature(0x6b03c7a5), 1 << 20}, nil},
			{"all bits", 288, GetReply{AnyMethod, false, 0, node11, node12, 0xffff, full, 1<<64 - 1}, nil},
			{"unknown", 288, GetReply{Code: CodeUnknown}, CodeUnknown},
			{"busy", 288, GetReply{Code: CodeBusy}, CodeBusy},
		})
	})
	t.Run("put", func(t *testing.T) {
		testReplies(t, ReadPutReply, []reply[PutReply]{
			{"new", 291, PutReply{Addr: server, Port: 54353, Max: 20_000_000_000}, nil},
			{"exists", 291, PutReply{0, node11, 0xffff, true, full, 1<<63 + 7, 1<<64 - 1}, nil},
			{"too big", 291, PutReply{Code: CodeTooBig, Max: 5}, CodeTooBig},
		})
	})
}

// TestMasterWorked has the exchange of a real client and server.
func TestMasterWorked(t *testing.T) {
	get := unhex(t, "56303100 00000001 00000000 02 00 0008"+hex.EncodeToString([]byte("raw8.ndz"))+strings.Repeat("00", 248))
	want := Get{Methods: Multicast, ID: "raw8.ndz"}
	if got, err := ReadRequest(bytes.NewReader(get)); err != nil || got != want {
		t.Errorf("request: %+v, %v", got, err)
	}
	if raw, err := want.Append(nil); err != nil || !bytes.Equal(raw, get) {
		t.Errorf("request: %x, %v", raw, err)
	}
	rep := unhex(t, "56303100 00000002 02 01 0000 0a4d0001 efc00102 8584 0001 6b03c7a5"+strings.Repeat("00", 252)+"00000000 00100000")
	got, err := ReadGetReply(bytes.NewReader(rep))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(GetReply{Multicast, true, 0, server, [4]byte{239, 192, 1, 2}, 34180, ModTimeSignature(0x6b03c7a5), 1 << 20}, got); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	if unix, ok := got.Signature.Time(); !ok || unix != 0x6b03c7a5 {
		t.Errorf("time %x, %v", unix, ok)
	}
	if raw := got.Append(nil); !bytes.Equal(raw, rep) {
		t.Errorf("reply: %x", raw)
	}
}

func TestMasterRefused(t *testing.T) {
	var id *IDError
	for _, m := range []MasterRequest{Get{ID: strings.Repeat("x", 257)}, Put{ID: strings.Repeat("x", 257)}} {
		if raw, err := m.Append([]byte{1}); !errors.As(err, &id) || id.Len != 257 || len(raw) != 1 {
			t.Errorf("%T: %d bytes, %v", m, len(raw), err)
		}
	}
	for off, m := range map[int]MasterRequest{14: Get{}, 13: Put{}} {
		for _, n := range []int{257, 65535} {
			raw, _ := m.Append(nil)
			raw[off], raw[off+1] = byte(n>>8), byte(n)
			if got, err := ReadRequest(bytes.NewReader(raw)); got != nil || !errors.As(err, &id) || id.Len != n {
				t.Errorf("%T with an id of %d bytes: %v", m, n, err)
			}
		}
	}
	for _, op := range []byte{0, 2, 4, 5, 255} {
		raw := append([]byte("V01\x00\x00\x00\x00"), op)
		if got, err := ReadRequest(io.MultiReader(bytes.NewReader(raw), iotest.ErrReader(errors.New("read on")))); got != nil || !errors.Is(err, ErrNotMaster) {
			t.Errorf("operation %d: %v", op, err)
		}
	}
	// Real servers do not look at the version.
	raw, _ := Get{ID: "a"}.Append(nil)
	copy(raw, "V99\n")
	if got, err := ReadRequest(bytes.NewReader(raw)); err != nil || got != (Get{ID: "a"}) {
		t.Errorf("another version: %v, %v", got, err)
	}
}

func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for c := Code(0); c <= CodeMissing+1; c++ {
		if text := c.Error(); seen[text] || (c <= CodeMissing) == strings.Contains(text, "error 1") {
			t.Errorf("code %d is %q", c, text)
		} else {
			seen[text] = true
		}
	}
	if got := Code(65535).Error(); got != "master server: error 65535" {
		t.Errorf("unknown code is %q", got)
	}
}
