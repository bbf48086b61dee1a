/** Joins its own input and output to a port of the network that it runs in. Its argument is the port. */
import { connect } from 'node:net'

const socket = connect({ host: 'localhost', port: Number(process.argv[2]), allowHalfOpen: true })
socket.once('connect', () => {
  process.stdin.pipe(socket)
  socket.pipe(process.stdout)
})
// Nothing more comes from there, and what came is written before this process ends.
socket.once('end', () => process.stdout.write('', () => process.exit()))
socket.once('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
