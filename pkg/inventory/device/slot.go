package device

import (
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// slots names the places on the board that functions are in or on, as the
// firmware's table has them. That the table is faulty is told with the system.
func slots(h sysfs.Host, found []hardware.PCI) {
	table, _ := smbios.Read(h)
	exact, cards := map[string]string{}, map[string]string{}
	for _, o := range table.Onboard {
		if o.Address != "" && o.Name != "" {
			exact[o.Address] = o.Name
		}
	}
	for _, s := range table.Slots {
		if s.Name == "" {
			continue
		}
		if s.Address != "" {
			cards[card(s.Address)] = s.Name
		}
		for _, peer := range s.Peers {
			cards[card(peer)] = s.Name
		}
	}
	if len(exact)+len(cards) == 0 {
		return
	}
	for i := range found {
		p := &found[i]
		if p.Slot = exact[p.ID]; p.Slot == "" && !strings.HasPrefix(p.Class, "06") {
			p.Slot = inCard(cards, h.Real(pciDir+p.ID))
		}
	}
}

// inCard finds the slot of a function or of the nearest bridge it is behind.
// Firmware gives the address of the card or that of the port that leads there.
func inCard(cards map[string]string, path string) string {
	for path != "" {
		slash := strings.LastIndexByte(path, '/')
		if name := path[slash+1:]; isPCI(name) {
			if slot := cards[card(name)]; slot != "" {
				return slot
			}
		}
		path = path[:max(slash, 0)]
	}
	return ""
}

// card is an address without the function: slots have whole cards.
func card(address string) string {
	device, _, _ := strings.Cut(address, ".")
	return device
}
