package web

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Scripts of testbeds ask OMF's aggregate manager (5.4, and some older) what a
// node has, at /inventory/NAME?hrn=...&domain=...; the answer is an element of
// XML, with status 200 and an ERROR in it where there is nothing. The getters
// that do not change anything are here.

// getter answers one question about a node, "" where there is no answer.
type getter struct {
	name    string // of the request
	element string // of the answer
	what    string // for the error
	answer  func(s *Site, n api.Node) string
}

func getters() []getter {
	return []getter{
		{"getControlIP", "CONTROL_IP", "control IP", func(_ *Site, n api.Node) string { return hello(n).Address }},
		{"getCmcIP", "CMC_IP", "CMC IP", func(s *Site, n api.Node) string {
			if bmc := s.document(n).BMC; bmc != nil {
				return bmc.Address
			}
			return ""
		}},
		{"getSwitchPort", "SWITCH_IP_PORT", "switch IP/port", (*Site).switchPort},
		{"getDefaultDisk", "disk", "default disk", func(_ *Site, n api.Node) string { return defaultDisk(n) }},
		{"getPXEImage", "PXE_IMAGE", "PXE Image info", func(*Site, api.Node) string { return "orbit" }},
		{"getHRN", "HRN", "HRN", (*Site).hrn},
	}
}

func hello(n api.Node) api.Hello {
	if n.Hello == nil {
		return api.Hello{}
	}
	return *n.Hello
}

// document is a node's last inventory, an empty one if there is none.
func (s *Site) document(n api.Node) hardware.Document {
	if s.Inventory == nil {
		return hardware.Document{}
	}
	_, d, err := s.Inventory.Typed(n.ID)
	if err != nil {
		return hardware.Document{} // it has nothing to tell
	}
	return d
}

// switchPort is where the interface goes that the node reaches the head by.
func (s *Site) switchPort(n api.Node) string {
	for _, nic := range s.document(n).NICs {
		if x := nic.Neighbour; x != nil && (nic.MAC == n.ID || nic.Current == n.ID) {
			at := x.Address
			if at == "" {
				at = x.Switch
			}
			if at != "" && x.Port != "" {
				return at + ":" + x.Port
			}
		}
	}
	return ""
}

// defaultDisk is the disk that a job for "first" would take.
func defaultDisk(n api.Node) string {
	first, err := blockdev.ParseSelector("first")
	if err != nil {
		return ""
	}
	var disks []blockdev.Disk
	for _, d := range hello(n).Disks {
		disks = append(disks, blockdev.Disk{Disk: d})
	}
	disk, err := first.Pick(disks)
	if err != nil {
		return ""
	}
	return disk.Path
}

// omf routes the getters.
func (s *Site) omf(mux *http.ServeMux) {
	for _, g := range getters() {
		mux.HandleFunc("GET /inventory/"+g.name, func(w http.ResponseWriter, r *http.Request) {
			name := r.FormValue("hrn")
			if name == "" {
				name = r.FormValue("hostname") + r.FormValue("name") // of getHRN, and of older clients
			}
			answer := ""
			n, ok := s.find(name)
			if ok && s.isDomain(r) {
				answer = g.answer(s, n)
			}
			writeXML(w, g.element, answer, fmt.Sprintf("Inventory has no %s for HRN '%s' (domain: %s)", g.what, name, r.FormValue("domain")))
		})
	}
	mux.HandleFunc("GET /inventory/getListOfResources", s.resources)
	mux.HandleFunc("GET /inventory/getAllNodes", s.allNodes)
	mux.HandleFunc("GET /inventory/getAllTestbeds", func(w http.ResponseWriter, _ *http.Request) {
		writeElement(w, "ALLTESTBEDS", element("TESTBED", s.testbed()))
	})
	mux.HandleFunc("GET /inventory/getMacAddress", s.macAddresses)
	mux.HandleFunc("GET /inventory/getAllMacAddresses", s.macAddresses)
}

// testbed is what this head's nodes together are called.
func (s *Site) testbed() string {
	if s.Domain == "" {
		return "default"
	}
	return s.Domain
}

// isDomain tells whether a request is about the head's nodes. A head that has
// no domain answers for any.
func (s *Site) isDomain(r *http.Request) bool {
	domain := r.FormValue("domain")
	return s.Domain == "" || domain == "" || domain == "*" || domain == "default" || strings.EqualFold(domain, s.Domain)
}

func (s *Site) resources(w http.ResponseWriter, r *http.Request) {
	var list strings.Builder
	if s.isDomain(r) {
		for _, n := range s.Nodes.List() {
			list.WriteString(element("NODE", s.hrn(n)))
		}
	}
	if list.Len() == 0 {
		writeXML(w, "RESOURCES", "", "Inventory has no info for any resources on the domain: "+r.FormValue("domain"))
		return
	}
	writeElement(w, "RESOURCES", list.String())
}

func (s *Site) allNodes(w http.ResponseWriter, _ *http.Request) {
	var list strings.Builder
	for _, n := range s.Nodes.List() {
		name := s.hrn(n)
		x, y, z := coordinates(name)
		list.WriteString("<NODE")
		for _, a := range [][2]string{{"name", name}, {"hrn", name}, {"control_mac", n.ID}, {"control_ip", hello(n).Address},
			{"x", x}, {"y", y}, {"z", z}, {"disk", defaultDisk(n)}, {"testbed", s.testbed()}} {
			fmt.Fprintf(&list, " %s='%s'", a[0], escape(a[1]))
		}
		list.WriteString("/>")
	}
	if list.Len() == 0 {
		writeXML(w, "ALLNODES", "", "Inventory has no nodes defined")
		return
	}
	writeElement(w, "ALLNODES", list.String())
}

// place is how nodes of a grid are called.
var place = regexp.MustCompile(`^node(\d+)-(\d+)(?:\.|$)`)

// coordinates are a node's place in the grid, as its name tells.
func coordinates(name string) (x, y, z string) {
	if m := place.FindStringSubmatch(name); m != nil {
		return m[1], m[2], "0"
	}
	return "", "", ""
}

// interfaceName is what can be the name of an element, too.
var interfaceName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,30}$`)

// macAddresses answers with an element for each interface, or for the one that
// is asked for.
func (s *Site) macAddresses(w http.ResponseWriter, r *http.Request) {
	name, wanted := r.FormValue("hrn"), r.FormValue("ifname")
	var list strings.Builder
	if n, ok := s.find(name); ok && s.isDomain(r) {
		for _, nic := range s.document(n).NICs {
			if (wanted == "" || wanted == nic.Name) && interfaceName.MatchString(nic.Name) && nic.MAC != "" {
				list.WriteString(element(nic.Name, nic.MAC))
			}
		}
	}
	if list.Len() == 0 {
		writeXML(w, "MAC_Address", "", fmt.Sprintf("Inventory has no info on [%s] for node %s (domain: %s)", wanted, name, r.FormValue("domain")))
		return
	}
	writeElement(w, "MAC_Address", list.String())
}

// writeXML answers with a text, or with an error if there is none.
func writeXML(w http.ResponseWriter, name, text, missing string) {
	content := escape(text)
	if text == "" {
		content = element("ERROR", missing)
	}
	writeElement(w, name, content)
}

func writeElement(w http.ResponseWriter, name, content string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, "<%s>%s</%s>", name, content, name)
}

func element(name, text string) string {
	return "<" + name + ">" + escape(text) + "</" + name + ">"
}

func escape(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text)) // a buffer takes all
	return b.String()
}
