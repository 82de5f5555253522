// Package wire encodes and decodes every packet of frisbee, the multicast
// protocol of the Emulab disk loader (docs/frisbee.md), and the messages of its
// master server. It knows no sockets.
//
// # Packets
//
// A UDP datagram is one packet: 16 bytes of header, then datalen bytes. What is
// longer than that is ignored at its end. Integers are little-endian.
//
//	 0  i32  type: 1 request, 2 reply
//	 4  i32  subtype: see Kind
//	 8  i32  datalen
//	12  4    IPv4 address of the sender
//
//	JOIN     1  16 u32 client id
//	  reply     16 i32 blocks of the file
//	LEAVE    2  16 u32 client id  20 i32 seconds since start
//	BLOCK    3  16 i32 chunk  20 i32 block in it  24 data of one block
//	REQUEST  4  16 i32 chunk  20 i32 first block  24 i32 number of blocks
//	LEAVE2   5  as LEAVE  24 statistics, 1028 bytes: see Stats
//	PREQUEST 6  16 i32 chunk  20 i32 retries  24 bitmap, one bit a block
//	JOIN2    7  16 u32 client id  20 i32 see below  24 i32 blocks of a chunk
//	            28 i32 bytes of a block  32 u64 bytes of the file (reply)
//	PROGRESS 8  16 u32 client id  20 4 who  24 u32 when  28 u16 what  30 u16 seq
//	  reply     and if what is not 0: 32 u32 chunks received
//	            36 u32 chunks expanded  40 u64 bytes written  48 statistics
//
//	CODED  192  16 i32 chunk  20 i32 sums to follow  24 bitmap of its blocks
//	            then the sum of their data, as long as one block
//
// CODED is an extension: the exclusive or of blocks of one chunk, to repair with
// one packet what many clients have lost, each something else. Which blocks are
// in it is the sender's choice; at random is best. Clients say in the second
// field of JOIN2 that they understand it, and are told there that it may come:
// see UnderstandsCoded and SendsCoded. Real peers ignore that field, and have 0
// in it. CODED is sent only where all clients that are known have said so.
//
// A BLOCK is of type 1 although the server sends it. [Parse] makes a [Packet]
// of a datagram without a copy or an allocation, errors included; all that can
// be checked without a socket and without the file's size is checked then.
// What needs the size is checked by [Layout], and the sender's address by
// [Packet.CheckSource].
//
// # Master server
//
// Over TCP, big-endian and packed: one request, one reply. See [Get], [GetReply],
// [Put] and [PutReply] for their layout.
package wire
