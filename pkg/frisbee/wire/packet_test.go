package wire

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	server = [4]byte{10, 77, 0, 1}
	node11 = [4]byte{10, 77, 0, 11}
	node12 = [4]byte{10, 77, 0, 12}
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parse takes for granted that the packet is good.
func parse(t testing.TB, b []byte, g Geometry) Packet {
	t.Helper()
	p, err := Parse(b, g)
	if err != nil {
		t.Fatalf("parse %x: %v", b[:min(len(b), 64)], err)
	}
	return p
}

func bitmap(blocks ...int) (m Bitmap) {
	for _, b := range blocks {
		m.Set(b)
	}
	return m
}

// TestWorked has packets of real peers, byte for byte.
func TestWorked(t *testing.T) {
	data := append(unhex(t, "6b696969 a1710000 01000000"), bytes.Repeat([]byte{7}, 1012)...)
	for _, c := range []struct {
		name string
		text string
		typ  Type
		from [4]byte
		want Message
	}{
		{"join", "01000000 01000000 04000000 0a4d000b 479fa43d", TypeRequest, node11, Join{1034198855}},
		{"join reply", "02000000 01000000 04000000 0a4d0001 000c0000", TypeReply, server, JoinReply{3072}},
		{"request", "01000000 04000000 0c000000 0a4d000c 01000000 00000000 00040000", TypeRequest, node12, Request{1, 0, 1024}},
		{"block", "01000000 03000000 08040000 0a4d0001 01000000 00000000" + hex.EncodeToString(data), TypeRequest, server, Block{1, 0, data}},
		{"prequest", "01000000 06000000 88000000 0a4d000b 01000000 00000000 10000000 01000000 00200004" + strings.Repeat("00", 116),
			TypeRequest, node11, Partial{1, 0, bitmap(4, 32, 77, 90)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := unhex(t, c.text)
			p := parse(t, raw, Standard)
			if p.Type != c.typ || p.Source != c.from {
				t.Errorf("type %d from %v, want %d from %v", p.Type, p.Source, c.typ, c.from)
			}
			if diff := cmp.Diff(c.want, p.Message()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(raw, c.want.Append(nil, Standard, c.from)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
		})
	}
}

// stats has another value in every field.
var stats = Stats{
	1, 2, 3, 4, 5<<32 | 6, 7<<32 | 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
	18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name string
		g    Geometry
		kind Kind
		len  int
		m    Message
	}{
		{"join", Standard, KindJoin, 20, Join{math.MaxUint32}},
		{"join reply", Standard, KindJoin, 20, JoinReply{math.MaxInt32}},
		{"join2", Standard, KindJoin2, 40, Join2{1, UnderstandsCoded, 1024, 1024}},
		{"join2 reply", Jumbo, KindJoin2, 40, Join2Reply{2, 0, 128, 8192, 1<<40 + 1}},
		{"leave", Standard, KindLeave, 24, Leave{3, -1}},
		{"leave2", Standard, KindLeave2, 1052, Leave2{3, 77, stats}},
		{"block", Standard, KindBlock, 1048, Block{math.MaxInt32, 1023, bytes.Repeat([]byte{1}, 1024)}},
		{"jumbo block", Jumbo, KindBlock, 8216, Block{0, 127, bytes.Repeat([]byte{1}, 8192)}},
		{"request", Standard, KindRequest, 28, Request{5, 1023, 1}},
		{"jumbo request", Jumbo, KindRequest, 28, Request{5, 0, 128}},
		{"prequest", Standard, KindPartial, 152, Partial{5, 1, bitmap(0, 63, 64, 1023)}},
		{"jumbo prequest", Jumbo, KindPartial, 40, Partial{5, -1, bitmap(0, 127)}},
		{"coded", Standard, KindCoded, 1176, Coded{5, 0, bitmap(0, 63, 64, 1023), bytes.Repeat([]byte{1}, 1024)}},
		{"jumbo coded", Jumbo, KindCoded, 8232, Coded{math.MaxInt32, math.MaxInt32, bitmap(127), bytes.Repeat([]byte{1}, 8192)}},
		{"progress", Standard, KindProgress, 32, Progress{0, [4]byte{}, 10, ProgressSummary, 1}},
		{"progress stop", Standard, KindProgress, 32, Progress{9, [4]byte{}, 0, 0, 0xffff}},
		{"progress reply", Standard, KindProgress, 1076, ProgressReply{9, node11, 1 << 31, ProgressSummary | ProgressStats, 2, 3, 4, 5 << 40, stats}},
		{"empty progress reply", Standard, KindProgress, 32, ProgressReply{ID: 9, Who: node11, Time: 1, Seq: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := c.m.Append([]byte("before"), c.g, node12)[len("before"):]
			if len(raw) != c.len {
				t.Errorf("%d bytes, want %d", len(raw), c.len)
			}
			for _, more := range []int{0, 1, 100} {
				p := parse(t, append(raw[:len(raw):len(raw)], bytes.Repeat([]byte{0xff}, more)...), c.g)
				if p.Kind != c.kind || p.Source != node12 {
					t.Errorf("%v from %v", p.Kind, p.Source)
				}
				if diff := cmp.Diff(c.m, p.Message()); diff != "" {
					t.Errorf("with %d bytes more (-want +got):\n%s", more, diff)
				}
			}
			if len(raw) > c.g.MaxPacket() {
				t.Errorf("%d bytes, said to be %d at most", len(raw), c.g.MaxPacket())
			}
			// However it is cut, it is not the packet.
			for n := range raw {
				if _, err := Parse(raw[:n], c.g); err != ErrHeader && err != ErrCut {
					t.Errorf("first %d of %d bytes: %v", n, len(raw), err)
				}
			}
		})
	}
}

// TestStats compares with the offsets of the specification.
func TestStats(t *testing.T) {
	raw := Leave2{Stats: stats}.Append(nil, Standard, node11)[24:]
	for i, off := range []int{0, 4, 8, 12, 20, 16, 28, 24, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88, 92, 96, 100, 104, 108, 112, 116, 120, 124} {
		if got := i32(raw[off:]); got != int32(i+1) {
			t.Errorf("offset %d: %d, want %d", off, got, i+1)
		}
	}
	if got := bytes.Count(raw[128:], []byte{0}); got != 900 {
		t.Errorf("%d zeros at the end, want 900", got)
	}
}

func TestRefused(t *testing.T) {
	request := func(first, count int32) []byte { return Request{1, first, count}.Append(nil, Standard, node11) }
	with := func(m Message, g Geometry, off int, v uint32) []byte {
		b := m.Append(nil, g, node11)
		b[off], b[off+1], b[off+2], b[off+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
		return b
	}
	block, coded := Block{}, Coded{Blocks: bitmap(1)}
	for _, c := range []struct {
		name string
		b    []byte
		g    Geometry
		want Error
	}{
		{"nothing", nil, Standard, ErrHeader},
		{"half a header", make([]byte, 15), Standard, ErrHeader},
		{"zeros", make([]byte, 16), Standard, ErrType},
		{"type 3", with(Join{}, Standard, 0, 3), Standard, ErrType},
		{"type 257", with(Join{}, Standard, 0, 257), Standard, ErrType},
		{"type -1", with(Join{}, Standard, 0, math.MaxUint32), Standard, ErrType},
		{"subtype 0", with(Join{}, Standard, 4, 0), Standard, ErrKind},
		{"subtype 9", with(Join{}, Standard, 4, 9), Standard, ErrKind},
		{"subtype 257", with(Join{}, Standard, 4, 257), Standard, ErrKind},
		{"datalen -1", with(Join{}, Standard, 8, math.MaxUint32), Standard, ErrDatalen},
		{"datalen least", with(Join{}, Standard, 8, 1<<31), Standard, ErrDatalen},
		{"datalen most", with(Join{}, Standard, 8, math.MaxInt32), Standard, ErrCut},
		{"datalen one more", with(Join{}, Standard, 8, 5), Standard, ErrCut},
		{"short join", with(Join{}, Standard, 8, 3), Standard, ErrSize},
		{"short leave", with(Leave{}, Standard, 8, 7), Standard, ErrSize},
		{"short leave2", with(Leave2{}, Standard, 8, 1035), Standard, ErrSize},
		{"short request", with(Request{1, 0, 1}, Standard, 8, 11), Standard, ErrSize},
		{"short prequest", with(Partial{Blocks: bitmap(1)}, Standard, 8, 135), Standard, ErrSize},
		{"short join2", with(Join2{}, Standard, 8, 23), Standard, ErrSize},
		{"short block", with(block, Standard, 8, 1031), Standard, ErrSize},
		{"short progress", with(Progress{}, Standard, 8, 15), Standard, ErrSize},
		{"short progress reply", with(ProgressReply{What: 2}, Standard, 8, 1059), Standard, ErrSize},
		{"progress reply without its report", with(ProgressReply{}, Standard, 28, 1), Standard, ErrSize},
		{"join reply, negative", JoinReply{-1}.Append(nil, Standard, server), Standard, ErrCount},
		{"block, chunk -1", Block{Chunk: -1}.Append(nil, Standard, server), Standard, ErrChunk},
		{"block -1", Block{Index: -1}.Append(nil, Standard, server), Standard, ErrBlock},
		{"block 1024", Block{Index: 1024}.Append(nil, Standard, server), Standard, ErrBlock},
		{"jumbo block 128", Block{Index: 128}.Append(nil, Jumbo, server), Jumbo, ErrBlock},
		{"jumbo block to a standard peer", block.Append(nil, Jumbo, server), Standard, ErrGeometry},
		{"block to a jumbo peer", block.Append(nil, Standard, server), Jumbo, ErrGeometry},
		{"jumbo prequest to a standard peer", Partial{Blocks: bitmap(1)}.Append(nil, Jumbo, node11), Standard, ErrGeometry},
		{"prequest to a jumbo peer", Partial{Blocks: bitmap(1)}.Append(nil, Standard, node11), Jumbo, ErrGeometry},
		{"short coded", with(coded, Standard, 8, 1159), Standard, ErrSize},
		{"coded, chunk -1", with(coded, Standard, 16, math.MaxUint32), Standard, ErrChunk},
		{"coded, -1 to follow", with(coded, Standard, 20, math.MaxUint32), Standard, ErrCount},
		{"coded, of nothing", Coded{}.Append(nil, Standard, server), Standard, ErrEmpty},
		{"jumbo coded to a standard peer", coded.Append(nil, Jumbo, server), Standard, ErrGeometry},
		{"coded to a jumbo peer", coded.Append(nil, Standard, server), Jumbo, ErrGeometry},
		{"request, chunk -1", Request{-1, 0, 1}.Append(nil, Standard, node11), Standard, ErrChunk},
		{"number 0", request(0, 0), Standard, ErrEmpty},
		{"number -1", request(0, -1), Standard, ErrCount},
		{"number 1025", request(0, 1025), Standard, ErrCount},
		{"number most", request(0, math.MaxInt32), Standard, ErrCount},
		{"first -1", request(-1, 1), Standard, ErrBlock},
		{"first least", request(math.MinInt32, 1), Standard, ErrBlock},
		{"first 1024", request(1024, 1), Standard, ErrBlock},
		{"first + number 1025", request(1, 1024), Standard, ErrBlock},
		{"first + number overflows", request(math.MaxInt32, 2), Standard, ErrBlock},
		{"jumbo number 129", Request{0, 0, 129}.Append(nil, Jumbo, node11), Jumbo, ErrCount},
		{"prequest, chunk -1", Partial{Chunk: -1, Blocks: bitmap(1)}.Append(nil, Standard, node11), Standard, ErrChunk},
		{"prequest for nothing", Partial{}.Append(nil, Standard, node11), Standard, ErrEmpty},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse(c.b, c.g)
			if err != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			if p.Message() != nil || p.ForClient() || p.ForServer() {
				t.Errorf("it is refused, and a packet: %+v", p)
			}
		})
	}
}

// TestErrors finds reasons that were forgotten, or the same.
func TestErrors(t *testing.T) {
	seen := map[string]bool{}
	for e := range Error(NumErrors) {
		if seen[e.Reason()] || e.Reason() == Error(NumErrors).Reason() || !strings.HasSuffix(e.Error(), ": "+e.Reason()) {
			t.Errorf("error %d is %q", e, e.Error())
		}
		seen[e.Reason()] = true
	}
}

func TestCheckSource(t *testing.T) {
	group := [4]byte{239, 77, 1, 1}
	p := parse(t, Join{}.Append(nil, Standard, node11), Standard)
	for _, c := range []struct {
		ip, group [4]byte
		want      error
	}{
		{node11, group, nil},
		{group, group, nil},
		{node12, group, ErrSource},
		{node12, [4]byte{}, ErrSource},
		{[4]byte{}, [4]byte{}, ErrSource},
	} {
		if got := p.CheckSource(c.ip, c.group); got != c.want {
			t.Errorf("from %v, group %v: %v, want %v", c.ip, c.group, got, c.want)
		}
	}
}

// TestRoles says who acts on what: the subtype of the request and its name.
func TestRoles(t *testing.T) {
	type roles struct{ Server, Client bool }
	got := map[string]roles{}
	for k := KindJoin; k <= KindProgress; k++ {
		req, rep := Packet{Type: TypeRequest, Kind: k}, Packet{Type: TypeReply, Kind: k}
		got[k.String()] = roles{req.ForServer(), req.ForClient()}
		got[k.String()+" reply"] = roles{rep.ForServer(), rep.ForClient()}
	}
	want := map[string]roles{
		"JOIN": {true, false}, "JOIN reply": {false, true},
		"LEAVE": {true, false}, "LEAVE reply": {},
		"BLOCK": {false, true}, "BLOCK reply": {},
		"REQUEST": {true, true}, "REQUEST reply": {},
		"LEAVE2": {true, false}, "LEAVE2 reply": {},
		"PREQUEST": {true, true}, "PREQUEST reply": {},
		"JOIN2": {true, false}, "JOIN2 reply": {false, true},
		"PROGRESS": {false, true}, "PROGRESS reply": {true, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWrongKind asks each packet for what it is not.
func TestWrongKind(t *testing.T) {
	for _, m := range []Message{
		Join{}, JoinReply{}, Join2{}, Join2Reply{}, Leave{}, Leave2{}, Block{}, Request{0, 0, 1}, Partial{Blocks: bitmap(1)}, Progress{}, ProgressReply{}, Coded{Blocks: bitmap(1)},
	} {
		p := parse(t, m.Append(nil, Standard, node11), Standard)
		n := 0
		for _, ok := range []bool{
			is(p.Join()), is(p.JoinReply()), is(p.Join2()), is(p.Join2Reply()), is(p.Leave()), is(p.Leave2()), is(p.Block()),
			is(p.Request()), is(p.Partial()), is(p.Wanted()), is(p.Progress()), is(p.ProgressReply()), is(p.Coded()),
		} {
			if ok {
				n++
			}
		}
		want := 1
		switch p.Kind {
		case KindLeave2, KindRequest, KindPartial: // also Leave, also Wanted
			want = 2
		}
		if n != want {
			t.Errorf("%v is of %d kinds, want %d", p.Kind, n, want)
		}
	}
}

func is[T any](_ T, ok bool) bool { return ok }

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		m    Message
		want Partial
	}{
		{Request{3, 5, 2}, Partial{3, 0, bitmap(5, 6)}},
		{Partial{3, 1, bitmap(9)}, Partial{3, 1, bitmap(9)}},
	} {
		p := parse(t, c.m.Append(nil, Standard, node11), Standard)
		got, _ := p.Wanted()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.m, diff)
		}
	}
}

// TestBlockOdd has data that is not of a block's length.
func TestBlockOdd(t *testing.T) {
	for _, n := range []int{0, 1, 1023, 1024, 1025} {
		data := bytes.Repeat([]byte{9}, n)
		p := parse(t, Block{0, 0, data}.Append(nil, Standard, server), Standard)
		got, _ := p.Block()
		want := append(data, make([]byte, 1024)...)[:1024]
		if !bytes.Equal(got.Data, want) {
			t.Errorf("%d bytes: got %x", n, got.Data)
		}
	}
	head := AppendBlockHeader([]byte{1}, Jumbo, server, 2, 3)
	if want := (Block{2, 3, nil}).Append([]byte{1}, Jumbo, server)[:1+BlockHeaderLen]; !bytes.Equal(head, want) {
		t.Errorf("header %x, want %x", head, want)
	}
}
