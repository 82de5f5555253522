// Package receive is what a frisbee client decides (docs/frisbee.md): which
// chunks to ask for and when, what to do with a block, when all is there. It
// has no socket, no clock and no goroutine: whoever owns those hands in what
// happened and the time since the session began, and takes what comes of it.
//
//	happened                             comes of it
//	a BLOCK arrived             Block    Send   the next request to send
//	another client asked        Request  Chunk  the next complete chunk
//	                            Partial  Wait   how long to wait for packets
//	nothing for as long as Wait Tick     Done   all is received and released
//	a chunk was used up         Release
//	repaired by other means     Supply
//
// A [Client] behaves as the real one by default: it asks for new chunks when
// one is complete, and for what is lost when nobody has asked for a while or
// the network is silent. With [Options.Eager] it works out from what flows how
// far the server is in its queue. It then asks for lost blocks as soon as the
// server has passed them, after a random pause in which another's request may
// do, and keeps the server's queue filled to what its rate needs.
//
// Memory is bounded by the number of chunk buffers and eight bytes or so for a
// chunk of the file, whatever arrives.
package receive
