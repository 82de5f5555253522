// Package inventory tells what a machine is made of, as a hardware.Document
// (docs/inventory.md). Each collector knows some sections of it, runs beside the
// others within a bound, and may fail alone. Everything is read from files under
// a root and asked of the kernel: no program is run.
package inventory
