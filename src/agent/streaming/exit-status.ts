/** How a command ended, as Kubernetes tells it on the error stream (remotecommand v4: a `metav1.Status` in JSON). */
export function successStatus(exitCode: number): string {
  if (exitCode === 0) return JSON.stringify({ metadata: {}, status: 'Success' })
  return JSON.stringify({
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  })
}

export function failureStatus(message: string): string {
  return JSON.stringify({ metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 })
}

interface Status {
  readonly status?: string
  readonly message?: string
  readonly reason?: string
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] }
}

/** Reads it again: the exit code, or why there is none. */
export function readStatus(text: string): { readonly exitCode: number } | { readonly failed: string } {
  if (text === '') return { failed: 'the connection ended before the command did' }
  let status: Status
  try {
    status = JSON.parse(text) as Status
  } catch {
    return { failed: text }
  }
  if (status.status === 'Success') return { exitCode: 0 }
  const code = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message
  return code === undefined ? { failed: status.message ?? text } : { exitCode: Number(code) }
}
