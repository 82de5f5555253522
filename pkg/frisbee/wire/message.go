package wire

// Message is what a packet says. Append appends the whole packet, header
// included, as sent from the given IPv4 address.
type Message interface {
	Append(dst []byte, g Geometry, from [4]byte) []byte
}

// Message gives what the packet says as a value of one of this package's types.
// It allocates: where many packets come, use the method of their kind. It is nil
// for the zero Packet.
func (p *Packet) Message() Message {
	switch p.Kind {
	case KindJoin:
		return either(p, p.Join, p.JoinReply)
	case KindLeave:
		return either(p, p.Leave, p.Leave)
	case KindBlock:
		return either(p, p.Block, p.Block)
	case KindRequest:
		return either(p, p.Request, p.Request)
	case KindLeave2:
		return either(p, p.Leave2, p.Leave2)
	case KindPartial:
		return either(p, p.Partial, p.Partial)
	case KindJoin2:
		return either(p, p.Join2, p.Join2Reply)
	case KindProgress:
		return either(p, p.Progress, p.ProgressReply)
	case KindCoded:
		return either(p, p.Coded, p.Coded)
	}
	return nil
}

// either gives the message of a request or that of a reply.
func either[Q, R Message](p *Packet, request func() (Q, bool), reply func() (R, bool)) Message {
	if p.Type == TypeReply {
		m, _ := reply()
		return m
	}
	m, _ := request()
	return m
}
