// Package bootparam reads and writes Orbit's part of the kernel command line:
// the orbit.* words, and the few words of others that steer a node (BOOTIF=
// from pxelinux and iPXE, console= of the kernel).
//
// Words are split as the kernel splits them (Documentation/admin-guide/
// kernel-parameters.rst): at white space outside double quotes, where the
// quotes may stand around the whole word or around its value. As in the
// kernel, '-' and '_' in names are the same, and of a repeated word the last
// counts (console= excepted).
package bootparam
