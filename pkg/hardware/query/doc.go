// Package query is the language by which people select machines by what they
// are made of (docs/inventory.md):
//
//	disks.size>=1TB && nics.driver=="ice"
//	count(disks[size>=1TB && !rotational]) >= 4 || system.product =~ "^PowerEdge R6"
//
// The grammar, loosest first:
//
//	query   = and { "||" and }
//	and     = not { "&&" not }
//	not     = "!" not | "(" query ")" | operand [ operator value ]
//	operand = path | "count(" path ")"
//	path    = word { filter } { "." word { filter } }
//	filter  = "[" query "]" | "[" text "]"
//	operator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~"
//	value   = text | number | "true" | "false"
//
// A path leads through objects, and through lists to every member of them: a
// comparison holds if it does for any value that the path leads to. Where it
// leads to none, none holds, be it == or !=; only false also stands for what is
// absent from an object, since documents leave it out. A path alone holds if it
// leads to something that is not false, "" or empty. A filter keeps what its
// query holds for, whose paths begin there; a text in a filter is short for
// id=="text".
//
// Text is in double or single quotes, in which \ takes the meaning from a quote
// and from itself, and is itself before anything else. It is compared exactly,
// and ordered by bytes. A number may have a unit: K, M, G, T, P and KiB to PiB
// are powers of 1024, KB to PB of 1000. It compares with text that is a number,
// too, and equals text that is spelled so. =~ and !~ search for a regular
// expression in the syntax of RE2.
package query
