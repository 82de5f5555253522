package layout

import "slices"

// opaque tells partitions that are saved whole for their type alone: what they
// hold belongs to something larger or has a format around it, whatever a part
// of it may look like.
func opaque(typ string) bool { return slices.Contains(opaqueTypes[:], typ) }

var opaqueTypes = [...]string{
	"A19D880F-05FC-4D3B-A006-743F0F84911E", "0xfd", // RAID
	"CA7D7CCB-63ED-4C53-861C-1742536059CC",         // LUKS
	"7FFEC5C9-2D00-49B7-8941-3EA10A5586B7",         // dm-crypt
	"AF9B60A0-1431-4F62-BC68-3311714A69AD", "0x42", // Windows dynamic disks
	"5808C8AA-7E8F-42E0-85D2-E1E90434CFB3",
	"E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D", // Windows storage spaces
	"516E7CB4-6ECF-11D6-8FF8-00022D09712B", // BSD disklabels
	"824CC7A0-36A8-11E3-890A-952519AD3F61", //
	"0xa5", "0xa6", "0xa9", "0xbf",         // and Solaris'
	"516E7CBA-6ECF-11D6-8FF8-00022D09712B",                 // ZFS
	"6A898CC3-1DD2-11B2-99A6-080020736631",                 //
	"AA31E02A-400F-11DB-9590-000C2911D1B8", "0xfb", "0xfc", // VMware
	"9D275380-40AD-11DB-BF97-000C2911D1B8",
}

// quiet tells partitions that nobody expects a filesystem in, by type in
// words.
func quiet(name string) bool {
	return name == "BIOS boot" || name == "PReP boot" || name == "Microsoft reserved"
}
