package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// comparison holds what inventory says against what other programs say.
type comparison struct {
	*testing.T
	ours  hardware.Document
	dmi   []section
	lsblk []block
	lspci []map[string]string
	lsusb []string // VVVV:DDDD
	ip    []link
	lshw  []node

	same    int
	differs []string
}

// section is one structure as dmidecode prints it.
type section struct {
	title  string
	values map[string]string
}

// block is a device of lsblk.
type block struct {
	Name, Serial, WWN, Model, Vendor, Rev, Tran, PTType, PTUUID string
	PartUUID, PartLabel, PartType, FSType, UUID, Label, Type    string
	Size                                                        int64
	LogSec                                                      int `json:"log-sec"`
	PhySec                                                      int `json:"phy-sec"`
	Rota, RO, RM                                                bool
	Children                                                    []block
}

// link is an interface of ip.
type link struct {
	IfName, Address, PermAddr, Link_Type, OperState string
	MTU                                             int
	Flags                                           []string
}

// node is one of lshw's tree.
type node struct {
	ID, Class, Serial, Vendor, Product, Version, BusInfo, Slot string
	LogicalName                                                any
	Size                                                       float64
	Configuration                                              map[string]any
	Children                                                   []node
}

func (c *comparison) read(all map[string][]byte) {
	c.Helper()
	decode := func(name string, v any) {
		c.Helper()
		if err := json.Unmarshal(all[name], v); err != nil {
			c.Fatalf("%s: %v in\n%s", name, err, all[name])
		}
	}
	decode("inventory.json", &c.ours)
	var disks struct{ BlockDevices []block }
	decode("lsblk.json", &disks)
	c.lsblk = disks.BlockDevices
	decode("ip.json", &c.ip)
	var tree any
	decode("lshw.json", &tree)
	if list, ok := tree.([]any); ok { // newer ones print a list
		tree = list[0]
	}
	b, err := json.Marshal(tree)
	var root node
	if err == nil {
		err = json.Unmarshal(b, &root)
	}
	if err != nil {
		c.Fatal(err)
	}
	c.lshw = flatten(root)
	c.dmi = sections(string(all["dmidecode"]))
	for block := range strings.SplitSeq(strings.TrimSpace(string(all["lspci"])), "\n\n") {
		c.lspci = append(c.lspci, values(block))
	}
	for line := range strings.Lines(string(all["lsusb"])) {
		if f := strings.Fields(line); len(f) > 5 && !strings.HasPrefix(f[5], "1d6b:000") { // root hubs
			c.lsusb = append(c.lsusb, f[5])
		}
	}
}

func flatten(n node) []node {
	all := []node{n}
	for _, child := range n.Children {
		all = append(all, flatten(child)...)
	}
	return all
}

func values(text string) map[string]string {
	v := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			v[key] = strings.TrimSpace(value)
		}
	}
	return v
}

func sections(text string) (all []section) {
	for block := range strings.SplitSeq(text, "\n\n") {
		lines := strings.SplitN(strings.TrimSpace(block), "\n", 3)
		if len(lines) == 3 && strings.HasPrefix(lines[0], "Handle ") {
			all = append(all, section{lines[1], values(lines[2])})
		}
	}
	return all
}

// blank are words for a value that is not there.
var blank = []string{"Not Specified", "Unknown", "None", "To be filled by O.E.M.", "<OUT OF SPEC>", "Not Provided", "none", "Other"}

// is compares one value, as text.
func (c *comparison) is(who, what string, theirs, ours any) {
	t, o := strings.Join(strings.Fields(fmt.Sprint(theirs)), " "), strings.Join(strings.Fields(fmt.Sprint(ours)), " ")
	if slices.Contains(blank, t) {
		t = ""
	}
	if t == o {
		if t != "" {
			c.same++
		}
		return
	}
	c.differs = append(c.differs, fmt.Sprintf("%s of %s: %q, inventory: %q", what, who, t, o))
}

// report fails for every difference.
func (c *comparison) report() {
	c.Helper()
	c.Logf("%d values are the same, %d differ", c.same, len(c.differs))
	for _, d := range c.differs {
		c.Error(d)
	}
	if c.same < 150 {
		c.Errorf("only %d values were compared", c.same)
	}
}

func (c *comparison) of(title string) (all []map[string]string) {
	for _, s := range c.dmi {
		if s.title == title {
			all = append(all, s.values)
		}
	}
	return all
}

func (c *comparison) firmware() {
	c.Helper()
	one := func(title string) map[string]string {
		if all := c.of(title); len(all) > 0 {
			return all[0]
		}
		c.Fatalf("dmidecode tells of no %s", title)
		return nil
	}
	s, d := c.ours.System, one("System Information")
	for key, ours := range map[string]string{"Manufacturer": s.Vendor, "Product Name": s.Product, "Version": s.Version,
		"Serial Number": s.Serial, "UUID": s.UUID, "SKU Number": s.SKU, "Family": s.Family} {
		c.is("dmidecode", "system "+key, d[key], ours)
	}
	d = one("Base Board Information")
	for key, ours := range map[string]string{"Manufacturer": s.Board.Vendor, "Product Name": s.Board.Product, "Version": s.Board.Version,
		"Serial Number": s.Board.Serial, "Asset Tag": s.Board.Asset} {
		c.is("dmidecode", "board "+key, d[key], ours)
	}
	d = one("Chassis Information")
	for key, ours := range map[string]string{"Manufacturer": s.Chassis.Vendor, "Type": s.Chassis.Type, "Version": s.Chassis.Version,
		"Serial Number": s.Chassis.Serial, "Asset Tag": s.Chassis.Asset, "SKU Number": s.Chassis.SKU} {
		c.is("dmidecode", "chassis "+key, d[key], ours)
	}
	f, d := c.ours.Firmware, one("BIOS Information")
	date := strings.Split(d["Release Date"], "/") // month, day, year
	c.is("dmidecode", "firmware Vendor", d["Vendor"], f.Vendor)
	c.is("dmidecode", "firmware Version", d["Version"], f.Version)
	c.is("dmidecode", "firmware Release Date", date[2]+"-"+date[0]+"-"+date[1], f.Date)
	c.is("dmidecode", "firmware BIOS Revision", d["BIOS Revision"], f.Release)
	sockets := c.of("Processor Information")
	c.is("dmidecode", "number of sockets", len(sockets), len(c.ours.CPUs))
	for i, d := range sockets[:min(len(sockets), len(c.ours.CPUs))] {
		p := c.ours.CPUs[i]
		for key, ours := range map[string]string{"Socket Designation": p.Socket, "Serial Number": p.Serial, "Part Number": p.Part} {
			c.is("dmidecode", "socket "+key, d[key], ours)
		}
		c.is("dmidecode", "socket Core Count", d["Core Count"], p.Cores)
	}
}

func (c *comparison) modules() {
	theirs := map[string]map[string]string{}
	for _, d := range c.of("Memory Device") {
		if d["Size"] != "No Module Installed" {
			theirs[d["Locator"]] = d
		}
	}
	c.is("dmidecode", "number of modules", len(theirs), len(c.ours.Memory.Modules))
	for _, m := range c.ours.Memory.Modules {
		d := theirs[m.Slot]
		for key, ours := range map[string]string{"Bank Locator": m.Bank, "Type": m.Type, "Form Factor": m.Form, "Manufacturer": m.Vendor,
			"Serial Number": m.Serial, "Part Number": m.Part, "Asset Tag": m.Asset, "Rank": fmt.Sprint(m.Ranks),
			"Size": fmt.Sprint(m.Size>>20, " MB"), "Speed": fmt.Sprint(m.Speed, " MT/s"), "Configured Memory Speed": fmt.Sprint(m.Clocked, " MT/s"),
			"Data Width": fmt.Sprint(m.Width, " bits"), "Configured Voltage": fmt.Sprint(float64(m.Voltage)/1000, " V")} {
			c.is("dmidecode", m.Slot+" "+key, d[key], ours)
		}
		for _, n := range c.lshw {
			if strings.HasPrefix(n.ID, "bank") && n.Slot == m.Slot {
				c.is("lshw", m.Slot+" serial", n.Serial, m.Serial)
				c.is("lshw", m.Slot+" size", int64(n.Size), m.Size)
			}
		}
	}
}

func (c *comparison) disks() {
	ours := map[string]hardware.Disk{}
	for _, d := range c.ours.Disks {
		ours[d.Name] = d
	}
	for _, t := range c.lsblk {
		if t.Type != "disk" {
			continue
		}
		d, ok := ours[t.Name]
		if !ok {
			c.differs = append(c.differs, "inventory has no disk "+t.Name)
			continue
		}
		c.is("lsblk", t.Name+" size", t.Size, d.Size)
		c.is("lsblk", t.Name+" logical sector", t.LogSec, d.Sector)
		c.is("lsblk", t.Name+" physical sector", t.PhySec, d.Physical)
		c.is("lsblk", t.Name+" read-only", t.RO, d.ReadOnly)
		c.is("lsblk", t.Name+" removable", t.RM, d.Removable)
		c.is("lsblk", t.Name+" serial", t.Serial, d.Serial)
		c.is("lsblk", t.Name+" model", t.Model, d.Model)
		c.is("lsblk", t.Name+" wwn", t.WWN, strings.Replace(d.WWN, "naa.", "0x", 1)) // udev's spelling
		if t.Tran != "" {
			c.is("lsblk", t.Name+" transport", t.Tran, d.Bus)
		}
		c.is("lsblk", t.Name+" table", strings.Replace(t.PTType, "dos", "mbr", 1), d.Table)
		c.is("lsblk", t.Name+" table id", t.PTUUID, strings.ToLower(d.TableID))
		c.parts(t, d)
	}
	c.is("lsblk", "number of disks", len(slices.DeleteFunc(slices.Clone(c.lsblk), func(b block) bool { return b.Type != "disk" })), len(ours))
}

func (c *comparison) parts(t block, d hardware.Disk) {
	c.is("lsblk", t.Name+" partitions", len(t.Children), len(d.Partitions))
	for i, p := range t.Children[:min(len(t.Children), len(d.Partitions))] {
		o := d.Partitions[i]
		var fs hardware.Filesystem
		if o.Filesystem != nil {
			fs = *o.Filesystem
		}
		c.is("lsblk", p.Name+" size", p.Size, o.Size)
		c.is("lsblk", p.Name+" uuid", p.PartUUID, strings.ToLower(o.UUID))
		c.is("lsblk", p.Name+" label", p.PartLabel, o.Label)
		c.is("lsblk", p.Name+" type", p.PartType, strings.ToLower(o.Type))
		c.is("lsblk", p.Name+" filesystem", p.FSType, fs.Type)
		c.is("lsblk", p.Name+" filesystem uuid", p.UUID, fs.UUID)
		c.is("lsblk", p.Name+" filesystem label", p.Label, fs.Label)
	}
}

func (c *comparison) devices() {
	ours := map[string]hardware.PCI{}
	for _, d := range c.ours.PCI {
		ours[d.ID] = d
	}
	c.is("lspci", "number of functions", len(c.lspci), len(ours))
	for _, t := range c.lspci {
		o, slot := ours[t["Slot"]], t["Slot"]
		c.is("lspci", slot+" class", t["Class"], o.Class[:min(4, len(o.Class))])
		c.is("lspci", slot+" vendor", t["Vendor"], o.Vendor)
		c.is("lspci", slot+" device", t["Device"], o.Device)
		c.is("lspci", slot+" subsystem vendor", t["SVendor"], o.SubVendor)
		c.is("lspci", slot+" subsystem device", t["SDevice"], o.SubDevice)
		c.is("lspci", slot+" driver", t["Driver"], o.Driver)
		rev, _ := strconv.ParseUint(t["Rev"], 16, 8)
		c.is("lspci", slot+" revision", fmt.Sprintf("%02x", rev), o.Revision)
	}
	var usb []string
	for _, u := range c.ours.USB {
		usb = append(usb, u.Vendor+":"+u.Device)
	}
	slices.Sort(usb)
	slices.Sort(c.lsusb)
	c.is("lsusb", "devices", c.lsusb, usb)
}

func (c *comparison) cards() {
	ours := map[string]hardware.NIC{}
	for _, n := range c.ours.NICs {
		ours[n.Name] = n
	}
	for _, t := range c.ip {
		if t.Link_Type != "ether" {
			continue
		}
		n, ok := ours[t.IfName]
		if !ok {
			c.differs = append(c.differs, "inventory has no interface "+t.IfName)
			continue
		}
		perm := t.PermAddr // only printed where it differs
		if perm == "" {
			perm = t.Address
		}
		c.is("ip", t.IfName+" address", perm, n.MAC)
		c.is("ip", t.IfName+" mtu", t.MTU, n.Readings.MTU)
		c.is("ip", t.IfName+" up", slices.Contains(t.Flags, "UP"), n.Readings.Up)
		c.is("ip", t.IfName+" carrier", slices.Contains(t.Flags, "LOWER_UP"), n.Readings.Carrier)
	}
	for _, t := range c.lshw {
		name, _ := t.LogicalName.(string)
		n, ok := ours[name]
		if t.Class != "network" || !ok {
			continue
		}
		c.is("lshw", name+" address", t.Serial, n.MAC)
		c.is("lshw", name+" driver", t.Configuration["driver"], n.Driver)
		if fw, ok := t.Configuration["firmware"]; ok {
			c.is("lshw", name+" firmware", fw, n.Firmware)
		}
	}
}
