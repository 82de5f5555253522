package modalias

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Bounds of modules.alias. Distributions' have up to 2 MiB, lines of 200 bytes.
const (
	mostLine = 4096
	mostFile = 32 << 20
)

// Find reads modules.alias and names the module for each alias that a pattern
// fits. Of several the one whose pattern says most counts, then the first.
func Find(aliases io.Reader, wanted []string) (map[string]string, error) {
	wanted = slices.Clone(wanted)
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	found, closest := map[string]string{}, map[string]int{}
	r := bufio.NewReaderSize(io.LimitReader(aliases, mostFile), mostLine)
	for {
		line, err := r.ReadSlice('\n')
		if err == bufio.ErrBufferFull { // no line of depmod's
			for err == bufio.ErrBufferFull {
				_, err = r.ReadSlice('\n')
			}
			line = nil
		}
		if err != nil && err != io.EOF {
			return found, fmt.Errorf("read modules.alias: %w", err)
		}
		if err == io.EOF {
			if len(line) > 0 { // the file was cut, and a part of a name is no name
				return found, fmt.Errorf("read modules.alias: %w", io.ErrUnexpectedEOF)
			}
			return found, nil
		}
		if pattern, module, ok := parse(string(line)); ok {
			prefix, weight := literal(pattern)
			// Those that begin like the pattern stand together.
			for i := sort.SearchStrings(wanted, pattern[:prefix]); i < len(wanted) && strings.HasPrefix(wanted[i], pattern[:prefix]); i++ {
				alias := wanted[i]
				if weight > closest[alias] && Match(pattern, alias) {
					found[alias], closest[alias] = module, weight
				}
			}
		}
	}
}

// parse takes a line apart: "alias PATTERN MODULE".
func parse(line string) (pattern, module string, ok bool) {
	line, ok = strings.CutPrefix(strings.TrimSpace(line), "alias ")
	space := strings.LastIndexByte(line, ' ')
	if !ok || space <= 0 {
		return "", "", false
	}
	return strings.TrimSpace(line[:space]), line[space+1:], true
}

// Fill sets the module of each function and interface that has neither a driver
// nor a module yet.
func Fill(aliases io.Reader, pci []hardware.PCI, usb []hardware.USB) error {
	var wanted []string
	each(pci, usb, func(alias string, _ *string) { wanted = append(wanted, alias) })
	if len(wanted) == 0 {
		return nil
	}
	found, err := Find(aliases, wanted)
	each(pci, usb, func(alias string, module *string) { *module = found[alias] })
	return err
}

func each(pci []hardware.PCI, usb []hardware.USB, do func(alias string, module *string)) {
	for i := range pci {
		if p := &pci[i]; p.Driver == "" && p.Module == "" {
			if alias := PCI(*p); alias != "" {
				do(alias, &p.Module)
			}
		}
	}
	for i := range usb {
		for j := range usb[i].Interfaces {
			if f := &usb[i].Interfaces[j]; f.Driver == "" && f.Module == "" {
				if alias := USB(usb[i], *f); alias != "" {
					do(alias, &f.Module)
				}
			}
		}
	}
}
