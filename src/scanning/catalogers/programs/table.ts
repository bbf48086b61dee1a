/** How a program that came without a package is known. */
export interface Program {
  /** As Bitnami's advisories name it, where they know it. */
  readonly name: string
  /** Names of files that it comes as. */
  readonly file: RegExp
  /** Tried in their order; the first that is found tells. */
  readonly signs: readonly Sign[]
}

/** What stands beside a version. */
export interface Sign {
  /** Sought for in the bytes; `$1` stands for what `file` captured. */
  readonly anchor: string
  /** Applied to the text around the anchor only; captures the version. */
  readonly pattern: RegExp
}

/** A text by itself: between zero bytes. */
const alone = (version: RegExp): RegExp => new RegExp(`\\0${version.source}\\0`)
/** Redis writes version, host, seconds, and the missing commit in one word. */
const redisBuild: Sign = {
  anchor: '00000000\0',
  pattern: /(?<!\d)(\d{1,2}\.\d{1,2}\.\d{1,3}?)(?:(?:[0-9a-f]{12}|[a-z][\w.-]{0,60})-)?\d{10}[01]0{8}\0/,
}
const threeNumbers = /(\d{1,3}\.\d{1,3}\.\d{1,3})/
/** Linkers keep a text that another one ends with as a part of that: `/opt/python/3.11.7`. */
const python: Sign = {
  anchor: '$1.',
  pattern: /(?<![\d.])([23]\.\d{1,2}\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?)\+?\0/,
}
const php: Sign = {
  anchor: 'X-Powered-By: PHP/',
  pattern: /PHP\/(\d{1,2}\.\d{1,3}\.\d{1,3}(?:(?:alpha|beta|RC)\d{1,2})?)/,
}

/** Programs and libraries that images often have without a package, by the texts that they carry. */
export const programs: readonly Program[] = [
  {
    name: 'node',
    file: /^node$/,
    signs: [
      { anchor: 'node.js/v', pattern: /node\.js\/v(\d{1,3}\.\d{1,3}\.\d{1,3})/ },
      { anchor: '/node-v', pattern: /\/node-v(\d{1,3}\.\d{1,3}\.\d{1,3})\.tar/ },
    ],
  },
  { name: 'python', file: /^python([23]\.\d{1,2})[dmut]{0,2}$/, signs: [python] },
  { name: 'libpython', file: /^libpython([23]\.\d{1,2})[dmut]{0,2}\.so/, signs: [python] },
  { name: 'php', file: /^php(?:-fpm|-cgi)?[\d.]{0,5}$/, signs: [php] },
  { name: 'libphp', file: /^libphp[\d.]{0,5}\.so/, signs: [php] },
  {
    name: 'ruby',
    file: /^(?:ruby[\d.]{0,5}$|libruby[\d.-]{0,8}\.so)/,
    signs: [
      { anchor: 'ruby ', pattern: /ruby (\d{1,2}\.\d{1,2}\.\d{1,3})(?:p\d{1,4}|preview\d|rc\d|dev)? \(20/ },
    ],
  },
  {
    name: 'perl',
    file: /^(?:perl[\d.]{0,8}$|libperl\.so)/,
    signs: [{ anchor: '\0v5.', pattern: alone(/v(5\.\d{1,2}\.\d{1,3})/) }],
  },
  {
    name: 'lua',
    file: /^(?:lua[\d.]{0,4}$|liblua[\d.-]{0,5}\.so)/,
    signs: [{ anchor: '$LuaVersion: Lua ', pattern: /Lua (5\.\d\.\d{1,2})/ }],
  },
  {
    name: 'nginx',
    file: /^nginx(?:-debug)?$/,
    signs: [{ anchor: 'nginx version: nginx/', pattern: /nginx\/(\d{1,2}\.\d{1,3}\.\d{1,3})/ }],
  },
  {
    name: 'openresty',
    file: /^(?:nginx|openresty)$/,
    signs: [
      {
        anchor: 'nginx version: openresty/',
        pattern: /openresty\/(\d{1,2}\.\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)/,
      },
    ],
  },
  {
    name: 'apache',
    file: /^(?:httpd|apache2)$/,
    signs: [{ anchor: 'Apache/2.', pattern: /Apache\/(2\.\d{1,2}\.\d{1,3})/ }],
  },
  {
    name: 'haproxy',
    file: /^haproxy$/,
    signs: [
      {
        anchor: ', released 20',
        pattern: /version (\d{1,2}\.\d{1,2}(?:\.\d{1,3})?)[\w.+~-]{0,60}, released 20/,
      },
    ],
  },
  {
    name: 'varnish',
    file: /^varnishd$/,
    signs: [{ anchor: 'varnish-', pattern: /varnish-(\d{1,2}\.\d{1,2}\.\d{1,3}) revision/ }],
  },
  { name: 'redis', file: /^redis-(?:server|sentinel|cli|check-rdb|check-aof)$/, signs: [redisBuild] },
  { name: 'valkey', file: /^valkey-(?:server|sentinel|cli|check-rdb|check-aof)$/, signs: [redisBuild] },
  {
    name: 'memcached',
    file: /^memcached$/,
    signs: [{ anchor: 'memcached 1.', pattern: /memcached (1\.\d{1,2}\.\d{1,3})/ }],
  },
  {
    name: 'postgresql',
    file: /^postgres$/,
    signs: [
      {
        anchor: 'postgres (PostgreSQL) ',
        pattern: /postgres \(PostgreSQL\) (\d{1,2}(?:\.\d{1,3}){0,2}(?:(?:beta|rc)\d{1,2})?)/,
      },
    ],
  },
  {
    name: 'mariadb',
    file: /^(?:mariadbd?|mysqld?)$/,
    signs: [{ anchor: '-MariaDB', pattern: /\0(\d{1,2}\.\d{1,2}\.\d{1,3})-MariaDB/ }],
  },
  {
    name: 'mysql',
    file: /^mysqld$/,
    signs: [{ anchor: '/mysql-', pattern: /\/mysql-(\d\.\d{1,2}\.\d{1,3})[/-]/ }],
  },
  {
    name: 'sqlite',
    file: /^(?:sqlite3$|libsqlite3\.so)/,
    signs: [{ anchor: '\x003.', pattern: alone(/(3\.\d{1,2}\.\d{1,3})/) }],
  },
  {
    name: 'openssl',
    file: /^(?:openssl$|lib(?:ssl|crypto)[\w.-]{0,40}\.so)/,
    signs: [
      {
        anchor: 'OpenSSL ',
        pattern:
          /OpenSSL ([013]\.\d{1,2}\.\d{1,3}(?:[a-z]{1,2}|-(?:alpha|beta|rc|pre)\d{1,2})?)(?:-fips)?  ?\d/,
      },
    ],
  },
  {
    name: 'curl',
    file: /^(?:curl$|libcurl[\w.-]{0,40}\.so)/,
    signs: [
      { anchor: 'libcurl/', pattern: /libcurl\/(\d{1,2}\.\d{1,3}\.\d{1,3})/ },
      { anchor: 'curl/', pattern: /curl\/(\d{1,2}\.\d{1,3}\.\d{1,3})/ },
    ],
  },
  {
    name: 'busybox',
    // In BusyBox's own images all names are links to the first, which is this.
    file: /^(?:busybox|\[)$/,
    signs: [{ anchor: 'BusyBox v', pattern: /BusyBox v\0?(\d{1,2}\.\d{1,3}\.\d{1,3})/ }],
  },
  {
    name: 'bash',
    file: /^bash$/,
    signs: [{ anchor: '@(#)Bash version ', pattern: /Bash version (\d{1,2}\.\d{1,2}\.\d{1,3})/ }],
  },
  { name: 'jq', file: /^jq$/, signs: [{ anchor: '\x001.', pattern: alone(/(1\.\d(?:\.\d{1,2})?)/) }] },
  { name: 'git', file: /^git$/, signs: [{ anchor: 'git/2.', pattern: /git\/(2\.\d{1,3}\.\d{1,3})/ }] },
  {
    name: 'openldap',
    file: /^slapd$/,
    signs: [{ anchor: 'OpenLDAP: slapd ', pattern: new RegExp(`slapd ${threeNumbers.source}`) }],
  },
]
