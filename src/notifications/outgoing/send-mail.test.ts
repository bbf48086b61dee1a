import assert from 'node:assert/strict'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { renderMail } from '../formats/mail.ts'
import type { MailSettings } from '../types.ts'
import { isMailAddress, sendMail } from './send-mail.ts'

interface MailServer {
  readonly settings: MailSettings
  /** The commands of the client and, as one entry, the data. */
  readonly heard: string[]
}

const stops: (() => void)[] = []
after(() => stops.forEach((stop) => stop()))

/** Just enough of RFC 5321 to take a message; `refuses` are recipients that it does not know. */
async function startMailServer(refuses: readonly string[] = [], extensions = ''): Promise<MailServer> {
  const heard: string[] = []
  const server = createServer((socket) => serve(socket, heard, refuses, extensions))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(() => server.close())
  const { port } = server.address() as AddressInfo
  const settings = { host: '127.0.0.1', port, security: 'none', from: 'registry@example.com' } as const
  return { settings, heard }
}

function serve(socket: Socket, heard: string[], refuses: readonly string[], extensions: string): void {
  let data: string[] | undefined
  socket.on('error', () => {})
  socket.write('220 mail.test\r\n')
  createInterface({ input: socket }).on('line', (line) => {
    if (data) {
      if (line !== '.') return void data.push(line)
      heard.push(data.join('\n'))
      data = undefined
      return void socket.write('250 taken\r\n')
    }
    heard.push(line)
    if (line.startsWith('EHLO')) socket.write(`250-mail.test\r\n${extensions}250 8BITMIME\r\n`)
    else if (line.startsWith('DATA')) {
      data = []
      socket.write('354 go on\r\n')
    } else if (line.startsWith('AUTH')) socket.write('235 welcome\r\n')
    else if (refuses.some((address) => line.includes(`<${address}>`))) socket.write('550 nobody here\r\n')
    else if (line.startsWith('QUIT')) socket.end('221 bye\r\n')
    else socket.write('250 fine\r\n')
  })
}

const mail = renderMail({
  id: 'event-1',
  type: 'image.recalled',
  at: 0,
  subject: 'prod/shop@sha256:abc',
  summary: 'prod/shop:1 is recalled\r\nBcc: evil@example.com\r\n\r\nand more',
})

test('an e-mail goes to each address, as text and as HTML, from the sender of the settings', async () => {
  const { settings, heard } = await startMailServer()
  const attempt = await sendMail(settings, ['ops@example.com', 'sec@example.com'], mail, 'delivery-1')
  assert.deepEqual(attempt, { isDelivered: true, status: 'taken for 2' })
  assert.ok(heard.includes('MAIL FROM:<registry@example.com>'), heard.join('\n'))
  assert.ok(heard.includes('RCPT TO:<ops@example.com>'))
  assert.ok(heard.includes('RCPT TO:<sec@example.com>'))
  const message = heard.find((text) => text.includes('MIME-Version')) ?? ''
  assert.match(message, /^Message-ID: <delivery-1@pratique>$/im)
  assert.match(message, /^Content-Type: text\/plain/m)
  assert.match(message, /^Content-Type: text\/html/m)
})

test('what an event says cannot add a header or a recipient', async () => {
  const { settings, heard } = await startMailServer()
  await sendMail(settings, ['ops@example.com'], mail, 'delivery-1')
  const message = heard.find((text) => text.includes('MIME-Version')) ?? ''
  const [headers = ''] = message.split('\n\n', 1)
  assert.doesNotMatch(headers, /^bcc:/im)
  assert.match(headers, /^Subject: \[Pratique\] prod\/shop:1 is recalled Bcc: evil@example.com/m)
  assert.deepEqual(
    heard.filter((line) => line.startsWith('RCPT')),
    ['RCPT TO:<ops@example.com>'],
  )
})

test('one refused address does not keep the others from it, and all refused is a failure', async () => {
  const { settings } = await startMailServer(['gone@example.com'])
  const some = await sendMail(settings, ['ops@example.com', 'gone@example.com'], mail, 'delivery-1')
  assert.deepEqual(some, { isDelivered: true, status: 'taken for 1, refused for 1' })
  const none = await sendMail(settings, ['gone@example.com'], mail, 'delivery-2')
  assert.equal(none.isDelivered, false)
})

test('with starttls nothing is handed to a server that has no TLS, the password least of all', async () => {
  const { settings, heard } = await startMailServer([], '250-AUTH PLAIN\r\n')
  const secured = { ...settings, security: 'starttls', user: 'registry', password: 'harbour' } as const
  const attempt = await sendMail(secured, ['ops@example.com'], mail, 'delivery-1')
  assert.equal(attempt.isDelivered, false)
  assert.doesNotMatch(heard.join('\n'), /^(?:AUTH|MAIL)/m)
})

test('the account of the settings signs in', async () => {
  const { settings, heard } = await startMailServer([], '250-AUTH PLAIN\r\n')
  await sendMail(
    { ...settings, user: 'registry', password: 'harbour' },
    ['ops@example.com'],
    mail,
    'delivery-1',
  )
  const credential = Buffer.from('\0registry\0harbour').toString('base64')
  assert.ok(heard.includes(`AUTH PLAIN ${credential}`), heard.join('\n'))
})

test('a mail server that is not there is a failure with a reason', async () => {
  const settings = { host: '127.0.0.1', port: 1, security: 'none', from: 'registry@example.com' } as const
  const attempt = await sendMail(settings, ['ops@example.com'], mail, 'delivery-1')
  assert.match(attempt.status, /ECONNREFUSED/)
})

test('only plain addresses are addresses', () => {
  for (const text of ['ops@example.com', 'o.p-s+x@mail.example.com']) assert.ok(isMailAddress(text), text)
  for (const text of [
    'Ops <ops@example.com>',
    'ops@example.com\r\nBcc: evil@example.com',
    'ops@example.com,evil@example.com',
    'ops',
    '@example.com',
    'ops@',
    'ops@-x',
    '"a b"@example.com',
    `${'x'.repeat(65)}@example.com`,
    'ops@example.com\n',
  ])
    assert.ok(!isMailAddress(text), text)
})
