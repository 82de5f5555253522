package network

// details adds what the driver must be asked for, itself or through sysfs. It
// may take long; the caller's readings stay as they are.
func (c collector) details(p port) *port {
	h, readings := c.host, *p.Readings
	p.Readings = &readings
	if speed, ok := h.Int(p.dir + "speed"); ok && speed > 0 && speed < 1<<31 { // unknown is -1, as a signed number or not
		readings.Speed = int(speed)
	}
	if duplex := h.Text(p.dir + "duplex"); duplex != "unknown" {
		readings.Duplex = duplex
	}
	count := func(names ...string) (sum int64) {
		for _, name := range names {
			n, _ := h.Int(p.dir + "statistics/" + name)
			sum += n
		}
		return sum
	}
	readings.Errors = count("rx_errors", "tx_errors")
	readings.Dropped = count("rx_dropped", "tx_dropped")
	if c.tool == nil {
		return &p
	}
	assigned, _ := h.Int(p.dir + "addr_assign_type")
	p.addresses(c.tool.permanent(p.Name), h.Text(p.dir+"address"), int(assigned))
	driver, firmware := c.tool.driver(p.Name)
	if p.Driver == "" {
		p.Driver = driver
	}
	if p.bus != "usb" || p.Driver == "r8152" || p.Driver == "aqc111" { // others describe the driver there
		p.Firmware = firmware
	}
	p.MaxSpeed, p.Media = c.tool.link(p.Name)
	p.WOL, readings.WOL, p.err = c.tool.wol(p.Name)
	return &p
}
