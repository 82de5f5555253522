package smbios

// Processor is a socket (type 4).
type Processor struct {
	Handle int
	Socket string // designation, as printed on the board
	Type   int    // section 7.5.1; 3: a central processor
	Vendor string
	Model  string // version
	ID     uint64 // registers EAX and EDX of CPUID leaf 1

	Empty   bool // nothing is in the socket
	Enabled bool

	MaxMHz, MHz int // of the socket; at boot

	Serial, Asset, Part string

	Cores, EnabledCores, Threads int
	L1, L2, L3                   int // handles of caches, -1: none
}

// Central is the Type of a processor that programs run on.
const Central = 3

func (t *Table) processor(s structure) {
	const populated, enabled = 1 << 6, 1
	status := s.byte(0x18)
	p := Processor{
		Handle: int(s.handle), Socket: s.text(4), Type: int(s.byte(5)), Vendor: s.text(7), Model: s.text(0x10), ID: s.qword(8),
		Empty: s.has(0x19) && status&populated == 0, Enabled: status&7 == enabled,
		MaxMHz: s.word(0x14), MHz: s.word(0x16),
		Serial: s.text(0x20), Asset: s.text(0x21), Part: s.text(0x22),
		Cores: wide(s, 0x23, 0x2a), EnabledCores: wide(s, 0x24, 0x2c), Threads: wide(s, 0x25, 0x2e),
		L1: handle(s, 0x1a), L2: handle(s, 0x1c), L3: handle(s, 0x1e),
	}
	t.Processors = append(t.Processors, p)
}

// wide is a count of one byte, or that of two bytes it points to by 255.
func wide(s structure, at, second int) int {
	n := int(s.byte(at))
	if n == 0xff && s.has(second+2) {
		if n = s.word(second); n == 0xffff {
			n = 0
		}
	}
	return n
}

// handle refers to another structure, -1 to none.
func handle(s structure, at int) int {
	n := s.word(at)
	if !s.has(at+2) || n >= 0xfffe {
		return -1
	}
	return n
}

// Cache is a level and kind of caches of one socket (type 7).
type Cache struct {
	Handle int
	Name   string
	Level  int    // from 1
	Kind   string // "instruction", "data", "unified"
	Size   int64  // bytes in the socket, of all cores together; 0: none or not known
	Ways   int    // 1: direct mapped
}

func (t *Table) cache(s structure) {
	t.Caches = append(t.Caches, Cache{
		Handle: int(s.handle), Name: s.text(4), Level: s.word(5)&7 + 1,
		Kind: nth("instruction|data|unified", int(s.byte(0x11))-3),
		Size: cacheSize(s), Ways: ways(s.byte(0x12)),
	})
}

// cacheSize is the installed size: a number of KiB or, by its highest bit, of
// 64 KiB; in 32 bits since version 3.1.
func cacheSize(s structure) int64 {
	n, big := int64(s.word(9)&0x7fff), s.word(9)&0x8000 != 0
	if s.has(0x1b) {
		n, big = int64(s.dword(0x17)&0x7fffffff), s.dword(0x17)&(1<<31) != 0
	}
	if big {
		return n << 16
	}
	return n << 10
}

func ways(code byte) int {
	const counts = "\x00\x00\x00\x01\x02\x04\x00\x08\x10\x0c\x18\x20\x30\x40\x14"
	if int(code) < len(counts) {
		return int(counts[code])
	}
	return 0
}
