package hardware

// CPU is what sits in one socket.
type CPU struct {
	ID        string   `json:"id"`               // socket, as the board names it ("CPU 0"), else "package N"
	Socket    string   `json:"socket,omitempty"` // designation of the socket
	Vendor    string   `json:"vendor,omitempty"` // GenuineIntel
	Model     string   `json:"model,omitempty"`  // brand string
	Family    int      `json:"family,omitempty"`
	ModelID   int      `json:"model_id,omitempty"`
	Stepping  int      `json:"stepping,omitempty"`
	Cores     int      `json:"cores,omitempty"`
	Threads   int      `json:"threads,omitempty"`
	MaxMHz    int      `json:"max_mhz,omitempty"`
	Microcode string   `json:"microcode,omitempty"`
	Flags     []string `json:"flags,omitempty"`          // those that matter, sorted: see docs/inventory.md
	Virtual   string   `json:"virtualization,omitempty"` // "vmx" or "svm"
	Serial    string   `json:"serial,omitempty"`
	Part      string   `json:"part,omitempty"`
	Asset     string   `json:"asset,omitempty"`
	Maker     string   `json:"maker,omitempty"`   // as the board's firmware says, in its own words
	Version   string   `json:"version,omitempty"` // as the board's firmware says, where that is not the model
	Caches    []Cache  `json:"caches,omitempty"`
	Empty     bool     `json:"empty,omitempty"` // a socket with nothing in it
}

// Cache is one level and kind of a socket's caches.
type Cache struct {
	ID    string `json:"id"`             // "L1d", "L1i", "L2", "L3"
	Size  int64  `json:"size"`           // bytes of one
	Count int    `json:"count"`          // in the socket
	Line  int    `json:"line,omitempty"` // bytes
	Ways  int    `json:"ways,omitempty"`
}

// NUMA is a node of memory and the processors that are near it.
type NUMA struct {
	ID       string `json:"id"`                 // "node0"
	CPUs     string `json:"cpus,omitempty"`     // list as the kernel writes it, "0-3,8"
	Distance []int  `json:"distance,omitempty"` // to each node, in order

	Readings *NUMAReadings `json:"readings,omitempty"`
}

// NUMAReadings is what varies by some pages from boot to boot.
type NUMAReadings struct {
	Memory int64 `json:"memory"` // bytes that Linux has there
}

// Memory is all of the machine's memory.
type Memory struct {
	Total   int64  `json:"total,omitempty"`    // bytes that are installed, as the modules say, else as the firmware maps them
	ECC     string `json:"ecc,omitempty"`      // of the memory array: "none", "single-bit", "multi-bit", "parity", "crc"
	Slots   int    `json:"slots,omitempty"`    // with and without a module
	MaxSize int64  `json:"max_size,omitempty"` // bytes that the board takes
	Modules []DIMM `json:"modules,omitempty"`  // filled slots

	Readings *MemoryReadings `json:"readings,omitempty"`
}

// DIMM is one memory module.
type DIMM struct {
	ID      string `json:"id"`             // slot, as the board names it; with the bank where that alone is not unique
	Slot    string `json:"slot,omitempty"` // device locator
	Bank    string `json:"bank,omitempty"`
	Size    int64  `json:"size"`
	Type    string `json:"type,omitempty"`             // "DDR4"
	Form    string `json:"form,omitempty"`             // "DIMM", "SODIMM"
	Speed   int    `json:"speed,omitempty"`            // MT/s that it can do
	Clocked int    `json:"configured_speed,omitempty"` // MT/s that it runs at
	Vendor  string `json:"vendor,omitempty"`
	Part    string `json:"part,omitempty"`
	Serial  string `json:"serial,omitempty"`
	Asset   string `json:"asset,omitempty"`
	Ranks   int    `json:"ranks,omitempty"`
	Width   int    `json:"width,omitempty"`   // data bits; total bits less these are for ECC
	ECC     bool   `json:"ecc,omitempty"`     // it has bits for ECC
	Voltage int    `json:"voltage,omitempty"` // configured, mV

	Readings *ErrorCounts `json:"readings,omitempty"`
}

// MemoryReadings are errors since boot, by EDAC, and what Linux has of the memory.
type MemoryReadings struct {
	Usable      int64  `json:"usable,omitempty"` // bytes: MemTotal. Varies by some pages from boot to boot
	Corrected   *int64 `json:"corrected,omitempty"`
	Uncorrected *int64 `json:"uncorrected,omitempty"`

	Unplaced []PlacedErrors `json:"unplaced,omitempty"` // errors of modules that the firmware names otherwise than EDAC
}

// PlacedErrors are errors at a place that only EDAC has a name for.
type PlacedErrors struct {
	ID string `json:"id"` // label, or controller and location: "CPU_SrcID#0_MC#1_Chan#0_DIMM#0"
	ErrorCounts
}

// ErrorCounts counts errors of one module since boot, by EDAC.
type ErrorCounts struct {
	Corrected   int64 `json:"corrected"`
	Uncorrected int64 `json:"uncorrected"`
}
