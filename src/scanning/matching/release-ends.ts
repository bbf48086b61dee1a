/**
 * The days on which distributions end the security support that everybody gets, as of 2026-11, from their own
 * pages: debian.org/releases and wiki.debian.org/LTS, wiki.ubuntu.com/Releases (standard support),
 * alpinelinux.org/releases, access.redhat.com/support/policy/updates/errata, wiki.almalinux.org and
 * wiki.rockylinux.org, for Alpine, Ubuntu, AlmaLinux and Rocky Linux compared with endoflife.date. Where a page gives a
 * month, its last day.
 */
const releaseEnds: Readonly<Record<string, string>> = {
  'Debian:8': '2020-06-30',
  'Debian:9': '2022-06-30',
  'Debian:10': '2024-06-30',
  'Debian:11': '2026-08-31',
  'Debian:12': '2028-06-30',
  'Debian:13': '2030-06-30',
  'Ubuntu:14.04': '2019-04-30',
  'Ubuntu:16.04': '2021-04-30',
  'Ubuntu:18.04': '2023-05-31',
  'Ubuntu:20.04': '2025-05-31',
  'Ubuntu:22.04': '2027-04-30',
  'Ubuntu:24.04': '2029-05-31',
  'Ubuntu:26.04': '2031-04-30',
  'Ubuntu:22.10': '2023-07-20',
  'Ubuntu:23.04': '2024-01-20',
  'Ubuntu:23.10': '2024-07-12',
  'Ubuntu:24.10': '2025-07-10',
  'Ubuntu:25.04': '2026-01-17',
  'Ubuntu:25.10': '2026-07-31',
  'Alpine:v3.8': '2020-05-01',
  'Alpine:v3.9': '2020-11-01',
  'Alpine:v3.10': '2021-05-01',
  'Alpine:v3.11': '2021-11-01',
  'Alpine:v3.12': '2022-05-01',
  'Alpine:v3.13': '2022-11-01',
  'Alpine:v3.14': '2023-05-01',
  'Alpine:v3.15': '2023-11-01',
  'Alpine:v3.16': '2024-05-23',
  'Alpine:v3.17': '2024-11-22',
  'Alpine:v3.18': '2025-05-09',
  'Alpine:v3.19': '2025-11-01',
  'Alpine:v3.20': '2026-04-01',
  'Alpine:v3.21': '2026-11-01',
  'Alpine:v3.22': '2027-05-01',
  'Alpine:v3.23': '2027-11-01',
  'Red Hat:6': '2020-11-30',
  'Red Hat:7': '2024-06-30',
  'Red Hat:8': '2029-05-31',
  'Red Hat:9': '2032-05-31',
  'Red Hat:10': '2035-05-31',
  'centos:6': '2020-11-30',
  'centos:7': '2024-06-30',
  'centos:8': '2021-12-31',
  'AlmaLinux:8': '2029-03-01',
  'AlmaLinux:9': '2032-05-31',
  'AlmaLinux:10': '2035-05-31',
  'Rocky Linux:8': '2029-05-31',
  'Rocky Linux:9': '2032-05-31',
  'Rocky Linux:10': '2035-05-31',
}

/** The day on which a release's support ended, if that is before the given time. */
export function findPastEnd(ecosystem: string, now: number): string | undefined {
  const day = Object.hasOwn(releaseEnds, ecosystem) ? releaseEnds[ecosystem] : undefined
  return day !== undefined && Date.parse(day) + 24 * 3_600_000 <= now ? day : undefined
}
