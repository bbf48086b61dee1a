/** A named part of an executable. */
export interface Section {
  readonly name: string
  /** Address in memory; 0 for what is not loaded. */
  readonly address: number
  /** Place in the file, and bytes there: none for what is only made in memory. */
  readonly offset: number
  readonly sizeBytes: number
}

/** A stretch of memory that is filled from the file. */
export interface Segment {
  readonly address: number
  readonly offset: number
  readonly sizeBytes: number
  /** Holds variables: may be written, and not run. */
  readonly isData: boolean
}

/** How one program, or one architecture of it, lies in a file. Nothing in it is yet known to be inside the file. */
export interface Executable {
  readonly format: 'elf' | 'pe' | 'mach-o'
  readonly isBigEndian: boolean
  readonly sections: readonly Section[]
  readonly segments: readonly Segment[]
}

/** A file that is no executable of its kind, or is damaged. */
export class MalformedExecutable extends Error {}
