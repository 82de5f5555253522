package web

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

func TestOMF(t *testing.T) {
	s, server := keeper(t, t.TempDir(), false)
	ask := func(path string) string {
		t.Helper()
		status, body, h := call(t, "GET", server.URL+"/inventory/"+path, "")
		if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/xml") {
			t.Errorf("%s: %d %v", path, status, h)
		}
		for d := xml.NewDecoder(strings.NewReader(body)); ; {
			if _, err := d.Token(); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v in %s", path, err, body)
				}
				return body
			}
		}
	}
	if got := ask("getAllNodes"); got != "<ALLNODES><ERROR>Inventory has no nodes defined</ERROR></ALLNODES>" {
		t.Errorf("no nodes: %s", got)
	}
	greet(t, server, mac, "b1")
	greet(t, server, mac2, "b1")
	send(t, server, mac, machineOf(t, mac, "b1", func(d *hardware.Document) { d.NICs[1].Name = "1</x>" }))
	s.Domain = "grid.example"
	const node1 = "hrn=node1-2.grid.example&domain=grid.example"
	for path, want := range map[string]string{
		"getControlIP?" + node1:                       "<CONTROL_IP>10.0.0.11</CONTROL_IP>",
		"getControlIP?hrn=NODE1-2":                    "<CONTROL_IP>10.0.0.11</CONTROL_IP>",
		"getControlIP?name=52-54-00-00-00-01":         "<CONTROL_IP>10.0.0.11</CONTROL_IP>",
		"getControlIP?hrn=S2&domain=*":                "<CONTROL_IP>10.0.0.12</CONTROL_IP>",
		"getControlIP?hrn=node1-2&domain=sb1.example": "<CONTROL_IP><ERROR>Inventory has no control IP for HRN &#39;node1-2&#39; (domain: sb1.example)</ERROR></CONTROL_IP>",
		"getControlIP?hrn=" + url.QueryEscape("<x>"):  "<CONTROL_IP><ERROR>Inventory has no control IP for HRN &#39;&lt;x&gt;&#39; (domain: )</ERROR></CONTROL_IP>",
		"getControlIP":                                "<CONTROL_IP><ERROR>Inventory has no control IP for HRN &#39;&#39; (domain: )</ERROR></CONTROL_IP>",
		"getCmcIP?" + node1:                           "<CMC_IP>10.0.0.99</CMC_IP>",
		"getCmcIP?hrn=" + mac2:                        "<CMC_IP><ERROR>Inventory has no CMC IP for HRN &#39;" + mac2 + "&#39; (domain: )</ERROR></CMC_IP>",
		"getSwitchPort?" + node1:                      "<SWITCH_IP_PORT>10.9.9.9:ge-0/0/1</SWITCH_IP_PORT>",
		"getDefaultDisk?" + node1:                     "<disk>/dev/nvme0n1</disk>",
		"getPXEImage?" + node1:                        "<PXE_IMAGE>orbit</PXE_IMAGE>",
		"getHRN?hostname=node1-2":                     "<HRN>node1-2.grid.example</HRN>",
		"getHRN?hrn=" + mac2:                          "<HRN>" + mac2 + "</HRN>",
		"getListOfResources?domain=grid.example":      "<RESOURCES><NODE>node1-2.grid.example</NODE><NODE>" + mac2 + "</NODE></RESOURCES>",
		"getListOfResources?domain=other":             "<RESOURCES><ERROR>Inventory has no info for any resources on the domain: other</ERROR></RESOURCES>",
		"getAllTestbeds":                              "<ALLTESTBEDS><TESTBED>grid.example</TESTBED></ALLTESTBEDS>",
		"getMacAddress?" + node1 + "&ifname=eth0":     "<MAC_Address><eth0>" + mac + "</eth0></MAC_Address>",
		"getAllMacAddresses?" + node1:                 "<MAC_Address><eth0>" + mac + "</eth0></MAC_Address>",
		"getMacAddress?" + node1 + "&ifname=ath0":     "<MAC_Address><ERROR>Inventory has no info on [ath0] for node node1-2.grid.example (domain: grid.example)</ERROR></MAC_Address>",
	} {
		if got := ask(path); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", path, got, want)
		}
	}
	want := "<ALLNODES><NODE name='node1-2.grid.example' hrn='node1-2.grid.example' control_mac='" + mac + "' control_ip='10.0.0.11' x='1' y='2' z='0' disk='/dev/nvme0n1' testbed='grid.example'/>" +
		"<NODE name='" + mac2 + "' hrn='" + mac2 + "' control_mac='" + mac2 + "' control_ip='10.0.0.12' x='' y='' z='' disk='/dev/nvme0n1' testbed='grid.example'/></ALLNODES>"
	if got := ask("getAllNodes"); got != want {
		t.Errorf("all nodes:\n%s\nwant\n%s", got, want)
	}
}
