/** What the program answers that ends at once. No runtime ends with it by itself, so it proves that the program ran. */
export const testExitCode = 42

interface Code {
  /** `e_machine` of the ELF specification. */
  readonly machine: number
  readonly exit: readonly number[]
  readonly wait: readonly number[]
}

/** System calls as instructions of the processor: `exit(42)`, and waiting for signals in a circle. */
const codes: Readonly<Partial<Record<NodeJS.Architecture, Code>>> = {
  x64: {
    machine: 62,
    // mov eax, 60; mov edi, 42; syscall
    exit: [0xb8, 60, 0, 0, 0, 0xbf, testExitCode, 0, 0, 0, 0x0f, 0x05],
    // mov eax, 34 (pause); syscall; jmp to the start
    wait: [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7],
  },
  arm64: {
    machine: 183,
    // mov x0, #42; mov x8, #93; svc #0
    exit: [...words(0xd2800000 | (testExitCode << 5)), ...words(0xd2800ba8), ...words(0xd4000001)],
    // mov x0 to x3, #0; mov x8, #73 (ppoll); svc #0; b to the start
    wait: [0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa].flatMap(words),
  },
}

/** Little-endian, as instructions of arm64 are. */
function words(instruction: number): number[] {
  return [0, 8, 16, 24].map((shift) => (instruction >>> shift) & 0xff)
}

const headerBytes = 64
const segmentBytes = 56
const address = 0x400000n

/**
 * A whole static program of some 130 bytes, so that no image is needed to try a runtime: one that ends with
 * `testExitCode`, or one that waits until it is killed. Undefined for a processor of which nothing is known here.
 */
export function testProgram(
  kind: 'exit' | 'wait',
  architecture: NodeJS.Architecture = process.arch,
): Buffer | undefined {
  const code = codes[architecture]
  if (!code) return undefined
  const instructions = Buffer.from(code[kind])
  const start = headerBytes + segmentBytes
  const elf = Buffer.alloc(start + instructions.length)
  // 64 bits, little-endian, version 1 (ELF, "ELF Header").
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  elf.writeUInt16LE(2, 16)
  elf.writeUInt16LE(code.machine, 18)
  elf.writeUInt32LE(1, 20)
  elf.writeBigUInt64LE(address + BigInt(start), 24)
  elf.writeBigUInt64LE(BigInt(headerBytes), 32)
  elf.writeUInt16LE(headerBytes, 52)
  elf.writeUInt16LE(segmentBytes, 54)
  elf.writeUInt16LE(1, 56)
  writeSegment(elf)
  instructions.copy(elf, start)
  return elf
}

/** One segment that is the whole file, to be read and run; aligned for the largest pages of arm64. */
function writeSegment(elf: Buffer): void {
  elf.writeUInt32LE(1, headerBytes)
  elf.writeUInt32LE(5, headerBytes + 4)
  elf.writeBigUInt64LE(address, headerBytes + 16)
  elf.writeBigUInt64LE(address, headerBytes + 24)
  elf.writeBigUInt64LE(BigInt(elf.length), headerBytes + 32)
  elf.writeBigUInt64LE(BigInt(elf.length), headerBytes + 40)
  elf.writeBigUInt64LE(0x10000n, headerBytes + 48)
}
