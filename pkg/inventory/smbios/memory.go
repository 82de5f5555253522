package smbios

// MemoryArray is a set of memory modules with one use (type 16).
type MemoryArray struct {
	Handle  int
	System  bool   // main memory; others are for video, flash, caches
	ECC     string // "none", "parity", "single-bit", "multi-bit", "crc"
	MaxSize int64  // bytes, 0: not known
	Slots   int
}

// MemoryDevice is a slot for memory, with or without a module (type 17).
type MemoryDevice struct {
	Handle, Array int    // handles
	Slot, Bank    string // locators
	Empty         bool
	Size          int64  // bytes; 0: empty or not known
	Type          string // "DDR4"
	Form          string // "DIMM"
	Total, Width  int    // bits, with and without those for ECC

	Speed, Clocked int // MT/s: most, as configured
	Voltage        int // as configured, mV
	Ranks          int

	Vendor, Serial, Asset, Part string
	Technology                  string // where it is not DRAM: "NVDIMM-N"
}

func (t *Table) memoryArray(s structure) {
	const system, more = 3, 1 << 31
	a := MemoryArray{
		Handle: int(s.handle), System: s.byte(5) == system, Slots: s.word(0xd),
		ECC:     nth("none|parity|single-bit|multi-bit|crc", int(s.byte(6))-3),
		MaxSize: int64(s.dword(7)) << 10,
	}
	if s.dword(7) == more {
		a.MaxSize = size(s.qword(0xf))
	}
	t.MemoryArrays = append(t.MemoryArrays, a)
}

// size is a count of bytes that can be true.
func size(n uint64) int64 {
	if n > 1<<50 {
		return 0
	}
	return int64(n)
}

func (t *Table) memoryDevice(s structure) {
	d := MemoryDevice{
		Handle: int(s.handle), Array: handle(s, 4), Slot: s.text(0x10), Bank: s.text(0x11),
		Empty: s.has(0xe) && s.word(0xc) == 0,
	}
	if !d.Empty { // what is said of modules that are not there is made up
		d.Size = moduleSize(s)
		d.Type, d.Form = memoryType(int(s.byte(0x12))), memoryForm(int(s.byte(0xe)))
		d.Total, d.Width = known(s.word(8)), known(s.word(0xa))
		d.Speed, d.Clocked = speed(s, 0x15, 0x54), speed(s, 0x20, 0x58)
		d.Voltage, d.Ranks = s.word(0x26), int(s.byte(0x1b)&15)
		d.Vendor, d.Serial, d.Asset, d.Part = module(s, 0x17), module(s, 0x18), module(s, 0x19), module(s, 0x1a)
		d.Technology = nth("NVDIMM-N|NVDIMM-F|NVDIMM-P|Intel Optane DC persistent memory", int(s.byte(0x28))-4)
	}
	t.MemoryDevices = append(t.MemoryDevices, d)
}

// moduleSize is in MiB or, by its highest bit, KiB. From 32 GiB - 1 MiB on it
// stands in a field of its own, in MiB.
func moduleSize(s structure) int64 {
	n := s.word(0xc)
	switch {
	case n == 0xffff: // there is one of a size not known
		return 0
	case n == 0x7fff && s.has(0x20):
		return int64(s.dword(0x1c)&0x7fffffff) << 20
	case n&0x8000 != 0:
		return int64(n&0x7fff) << 10
	}
	return int64(n) << 20
}

// speed is a field of 16 bits, or that of 32 bits it points to by 0xffff.
func speed(s structure, at, extended int) int {
	n := s.word(at)
	if n == 0xffff {
		n = int(s.dword(extended) & 0x7fffffff)
	}
	return n
}

func known(n int) int {
	if n == 0xffff {
		return 0
	}
	return n
}

// memoryForm is section 7.18.1.
func memoryForm(n int) string {
	return nth("SIMM|SIP|Chip|DIP|ZIP|Proprietary Card|DIMM|TSOP|Row of chips|RIMM|SODIMM|SRIMM|FB-DIMM|Die|CAMM", n-3)
}

// memoryType is section 7.18.2.
func memoryType(n int) string {
	return nth("DRAM|EDRAM|VRAM|SRAM|RAM|ROM|Flash|EEPROM|FEPROM|EPROM|CDRAM|3DRAM|SDRAM|SGRAM|RDRAM|DDR|DDR2|"+
		"DDR2 FB-DIMM||||DDR3|FBD2|DDR4|LPDDR|LPDDR2|LPDDR3|LPDDR4|Logical non-volatile device|HBM|HBM2|DDR5|LPDDR5|HBM3", n-3)
}
