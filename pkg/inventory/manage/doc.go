// Package manage finds what a machine is managed and trusted by: its firmware,
// its TPM and its management controller (BMC).
//
// TPMs 2.0 are asked in the words of the TPM 2.0 Library Specification, parts 2
// and 3 (TPM2_GetCapability, TPM2_NV_ReadPublic, TPM2_NV_Read), for their maker
// and for the certificate of the endorsement key, where the TCG EK Credential
// Profile 2.5 says it is. TPMs 1.2 are described by what Linux shows of them.
// Management controllers are asked in those of IPMI 2.0, revision 1.1, through
// Linux's /dev/ipmi0. Nothing is changed in either.
//
// What answers is hostile until checked: lengths in answers are held against
// what came, and both have a bound on how much and how long. Without a driver,
// or where a device doesn't answer, what SMBIOS says of it is what there is.
package manage
