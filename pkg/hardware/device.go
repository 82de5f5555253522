package hardware

// PCI is one PCI function. Ids are hexadecimal digits, without 0x.
type PCI struct {
	ID        string `json:"id"`     // address: "0000:00:1f.2"
	Class     string `json:"class"`  // six digits: class, subclass, programming interface
	Vendor    string `json:"vendor"` // four digits
	Device    string `json:"device"`
	SubVendor string `json:"subvendor,omitempty"`
	SubDevice string `json:"subdevice,omitempty"`
	Revision  string `json:"revision,omitempty"` // two digits
	Driver    string `json:"driver,omitempty"`   // absent: none has it
	Module    string `json:"module,omitempty"`   // without a driver: the one that would drive it, if known
	Slot      string `json:"slot,omitempty"`     // on the board, as it names it
	NUMA      *int   `json:"numa,omitempty"`
	Link      string `json:"link,omitempty"` // most the device can: "8.0 GT/s x4"

	VendorName string `json:"vendor_name,omitempty"` // by the head, of pci.ids
	DeviceName string `json:"device_name,omitempty"`
	ClassName  string `json:"class_name,omitempty"`

	Readings *PCIReadings `json:"readings,omitempty"`
}

// PCIReadings is the state of a PCI function.
type PCIReadings struct {
	Link string `json:"link,omitempty"` // what it runs at
}

// USB is one USB device; hubs that are part of a controller are left out.
type USB struct {
	ID      string `json:"id"`     // port: "1-1.2"
	Vendor  string `json:"vendor"` // four digits
	Device  string `json:"device"`
	Version string `json:"version,omitempty"` // of the device, "1.00"
	Class   string `json:"class,omitempty"`   // six digits: class, subclass, protocol
	Maker   string `json:"maker,omitempty"`   // its own words
	Product string `json:"product,omitempty"`
	Serial  string `json:"serial,omitempty"`
	Speed   string `json:"speed,omitempty"` // Mbit/s: "480"

	Interfaces []USBInterface `json:"interfaces,omitempty"`

	VendorName string `json:"vendor_name,omitempty"` // by the head, of usb.ids
	DeviceName string `json:"device_name,omitempty"`
}

// USBInterface is one function of a USB device.
type USBInterface struct {
	ID     string `json:"id"`               // number, two hexadecimal digits
	Class  string `json:"class"`            // six digits
	Driver string `json:"driver,omitempty"` // absent: none has it
	Module string `json:"module,omitempty"` // without a driver: the one that would drive it, if known
}

// GPU is a graphics or compute card.
type GPU struct {
	ID     string `json:"id"` // PCI address
	Vendor string `json:"vendor"`
	Device string `json:"device"`
	Driver string `json:"driver,omitempty"`
	Memory int64  `json:"memory,omitempty"` // bytes; of drivers that tell, else the largest prefetchable window
	NUMA   *int   `json:"numa,omitempty"`
	Boot   bool   `json:"boot,omitempty"` // the firmware's display

	VendorName string `json:"vendor_name,omitempty"`
	DeviceName string `json:"device_name,omitempty"`
}

// SDR is a software-defined radio.
type SDR struct {
	ID      string `json:"id"`                // serial number, else where it is attached
	Kind    string `json:"kind"`              // "USRP B200", "USRP X300", "bladeRF 2.0", "HackRF One", "RTL-SDR", ...
	Bus     string `json:"bus"`               // "usb", "pci" or "network"
	Address string `json:"address,omitempty"` // on that bus: port, PCI address or IP address
	Serial  string `json:"serial,omitempty"`
	Vendor  string `json:"vendor,omitempty"`
	Device  string `json:"device,omitempty"`
	Product string `json:"product,omitempty"` // its own words
	NIC     string `json:"nic,omitempty"`     // MAC address of the interface it answered on
}

// SerialPort is a UART.
type SerialPort struct {
	ID      string `json:"id"`                // I/O port or memory address, PCI or USB address
	Name    string `json:"name"`              // ttyS0
	Type    string `json:"type,omitempty"`    // "16550A"
	Address string `json:"address,omitempty"` // "0x3f8"
	IRQ     int    `json:"irq,omitempty"`
	Driver  string `json:"driver,omitempty"`
	Console bool   `json:"console,omitempty"` // the kernel writes to it
}

// Watchdog is a timer that resets the machine.
type Watchdog struct {
	ID       string `json:"id"`   // its identity, with a number where there are several
	Name     string `json:"name"` // watchdog0
	Identity string `json:"identity,omitempty"`
	Driver   string `json:"driver,omitempty"`
	NoWayOut bool   `json:"nowayout,omitempty"` // cannot be stopped

	Readings *WatchdogReadings `json:"readings,omitempty"`
}

// WatchdogReadings is the state of a watchdog.
type WatchdogReadings struct {
	Active  bool `json:"active"`
	Timeout int  `json:"timeout,omitempty"` // seconds
	Caused  bool `json:"caused,omitempty"`  // it caused the last reset
}

// Sensor is one thing that is measured.
type Sensor struct {
	ID   string   `json:"id"`             // chip, where that is attached, and channel: "nvme 0000:00:04.0 temp1"
	Chip string   `json:"chip"`           // "coretemp", "nvme", "acpitz"
	Kind string   `json:"kind"`           // "temperature" (degrees Celsius), "fan" (per minute), "voltage" (V), "current" (A), "power" (W)
	Name string   `json:"name,omitempty"` // label
	Max  *float64 `json:"max,omitempty"`
	Crit *float64 `json:"critical,omitempty"`

	Readings *SensorReadings `json:"readings,omitempty"`
}

// SensorReadings is what a sensor shows now.
type SensorReadings struct {
	Value float64 `json:"value"`
	Alarm bool    `json:"alarm,omitempty"`
}
