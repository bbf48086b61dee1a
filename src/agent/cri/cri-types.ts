/** Messages of the CRI as `decode` gives them and `encode` takes them. Written by scripts/write-cri-types.ts. */

export interface RunPodSandboxRequest {
  readonly config: PodSandboxConfig | null
  readonly runtimeHandler: string
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata | null
  readonly hostname: string
  readonly logDirectory: string
  readonly dnsConfig: DNSConfig | null
  readonly portMappings: readonly PortMapping[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly linux: LinuxPodSandboxConfig | null
  readonly windows: WindowsPodSandboxConfig | null
}

export interface PodSandboxMetadata {
  readonly name: string
  readonly uid: string
  readonly namespace: string
  readonly attempt: number
}

export interface DNSConfig {
  readonly servers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

export interface PortMapping {
  readonly protocol: Protocol
  readonly containerPort: number
  readonly hostPort: number
  readonly hostIp: string
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP'

export interface LinuxPodSandboxConfig {
  readonly cgroupParent: string
  readonly securityContext: LinuxSandboxSecurityContext | null
  readonly sysctls: Readonly<Record<string, string>>
  readonly overhead: LinuxContainerResources | null
  readonly resources: LinuxContainerResources | null
}

export interface LinuxSandboxSecurityContext {
  readonly namespaceOptions: NamespaceOption | null
  readonly selinuxOptions: SELinuxOption | null
  readonly runAsUser: Int64Value | null
  readonly runAsGroup: Int64Value | null
  readonly readonlyRootfs: boolean
  readonly supplementalGroups: readonly number[]
  readonly supplementalGroupsPolicy: SupplementalGroupsPolicy
  readonly privileged: boolean
  readonly seccomp: SecurityProfile | null
  readonly apparmor: SecurityProfile | null
  readonly seccompProfilePath: string
}

export interface NamespaceOption {
  readonly network: NamespaceMode
  readonly pid: NamespaceMode
  readonly ipc: NamespaceMode
  readonly targetId: string
  readonly usernsOptions: UserNamespace | null
}

export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET'

export interface UserNamespace {
  readonly mode: NamespaceMode
  readonly uids: readonly IDMapping[]
  readonly gids: readonly IDMapping[]
}

export interface IDMapping {
  readonly hostId: number
  readonly containerId: number
  readonly length: number
}

export interface SELinuxOption {
  readonly user: string
  readonly role: string
  readonly type: string
  readonly level: string
}

export interface Int64Value {
  readonly value: number
}

export type SupplementalGroupsPolicy = 'Merge' | 'Strict'

export interface SecurityProfile {
  readonly profileType: ProfileType
  readonly localhostRef: string
}

export type ProfileType = 'RuntimeDefault' | 'Unconfined' | 'Localhost'

export interface LinuxContainerResources {
  readonly cpuPeriod: number
  readonly cpuQuota: number
  readonly cpuShares: number
  readonly memoryLimitInBytes: number
  readonly oomScoreAdj: number
  readonly cpusetCpus: string
  readonly cpusetMems: string
  readonly hugepageLimits: readonly HugepageLimit[]
  readonly unified: Readonly<Record<string, string>>
  readonly memorySwapLimitInBytes: number
}

export interface HugepageLimit {
  readonly pageSize: string
  readonly limit: number
}

export interface WindowsPodSandboxConfig {
  readonly securityContext: WindowsSandboxSecurityContext | null
}

export interface WindowsSandboxSecurityContext {
  readonly runAsUsername: string
  readonly credentialSpec: string
  readonly hostProcess: boolean
  readonly namespaceOptions: WindowsNamespaceOption | null
}

export interface WindowsNamespaceOption {
  readonly network: NamespaceMode
}

export interface RunPodSandboxResponse {
  readonly podSandboxId: string
}

export interface StopPodSandboxRequest {
  readonly podSandboxId: string
}

export interface StopPodSandboxResponse {}

export interface RemovePodSandboxRequest {
  readonly podSandboxId: string
}

export interface RemovePodSandboxResponse {}

export interface PodSandboxStatusRequest {
  readonly podSandboxId: string
  readonly verbose: boolean
}

export interface PodSandboxStatusResponse {
  readonly status: PodSandboxStatus | null
  readonly info: Readonly<Record<string, string>>
  readonly containersStatuses: readonly ContainerStatus[]
  readonly timestamp: number
}

export interface PodSandboxStatus {
  readonly id: string
  readonly metadata: PodSandboxMetadata | null
  readonly state: PodSandboxState
  readonly createdAt: number
  readonly network: PodSandboxNetworkStatus | null
  readonly linux: LinuxPodSandboxStatus | null
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly runtimeHandler: string
}

export type PodSandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY'

export interface PodSandboxNetworkStatus {
  readonly ip: string
  readonly additionalIps: readonly PodIP[]
}

export interface PodIP {
  readonly ip: string
}

export interface LinuxPodSandboxStatus {
  readonly namespaces: Namespace | null
}

export interface Namespace {
  readonly options: NamespaceOption | null
}

export interface ContainerStatus {
  readonly id: string
  readonly metadata: ContainerMetadata | null
  readonly state: ContainerState
  readonly createdAt: number
  readonly startedAt: number
  readonly finishedAt: number
  readonly exitCode: number
  readonly image: ImageSpec | null
  readonly imageRef: string
  readonly reason: string
  readonly message: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly mounts: readonly Mount[]
  readonly logPath: string
  readonly resources: ContainerResources | null
  readonly imageId: string
  readonly user: ContainerUser | null
  readonly stopSignal: Signal
}

export interface ContainerMetadata {
  readonly name: string
  readonly attempt: number
}

export type ContainerState =
  'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN'

export interface ImageSpec {
  readonly image: string
  readonly annotations: Readonly<Record<string, string>>
  readonly userSpecifiedImage: string
  readonly runtimeHandler: string
  readonly imageRef: string
}

export interface Mount {
  readonly containerPath: string
  readonly hostPath: string
  readonly readonly: boolean
  readonly selinuxRelabel: boolean
  readonly propagation: MountPropagation
  readonly uidMappings: readonly IDMapping[]
  readonly gidMappings: readonly IDMapping[]
  readonly recursiveReadOnly: boolean
  readonly image: ImageSpec | null
  readonly imageSubPath: string
}

export type MountPropagation =
  'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL'

export interface ContainerResources {
  readonly linux: LinuxContainerResources | null
  readonly windows: WindowsContainerResources | null
}

export interface WindowsContainerResources {
  readonly cpuShares: number
  readonly cpuCount: number
  readonly cpuMaximum: number
  readonly memoryLimitInBytes: number
  readonly rootfsSizeInBytes: number
  readonly affinityCpus: readonly WindowsCpuGroupAffinity[]
}

export interface WindowsCpuGroupAffinity {
  readonly cpuMask: number
  readonly cpuGroup: number
}

export interface ContainerUser {
  readonly linux: LinuxContainerUser | null
}

export interface LinuxContainerUser {
  readonly uid: number
  readonly gid: number
  readonly supplementalGroups: readonly number[]
}

export type Signal =
  | 'RUNTIME_DEFAULT'
  | 'SIGABRT'
  | 'SIGALRM'
  | 'SIGBUS'
  | 'SIGCHLD'
  | 'SIGCLD'
  | 'SIGCONT'
  | 'SIGFPE'
  | 'SIGHUP'
  | 'SIGILL'
  | 'SIGINT'
  | 'SIGIO'
  | 'SIGIOT'
  | 'SIGKILL'
  | 'SIGPIPE'
  | 'SIGPOLL'
  | 'SIGPROF'
  | 'SIGPWR'
  | 'SIGQUIT'
  | 'SIGSEGV'
  | 'SIGSTKFLT'
  | 'SIGSTOP'
  | 'SIGSYS'
  | 'SIGTERM'
  | 'SIGTRAP'
  | 'SIGTSTP'
  | 'SIGTTIN'
  | 'SIGTTOU'
  | 'SIGURG'
  | 'SIGUSR1'
  | 'SIGUSR2'
  | 'SIGVTALRM'
  | 'SIGWINCH'
  | 'SIGXCPU'
  | 'SIGXFSZ'
  | 'SIGRTMIN'
  | 'SIGRTMINPLUS1'
  | 'SIGRTMINPLUS2'
  | 'SIGRTMINPLUS3'
  | 'SIGRTMINPLUS4'
  | 'SIGRTMINPLUS5'
  | 'SIGRTMINPLUS6'
  | 'SIGRTMINPLUS7'
  | 'SIGRTMINPLUS8'
  | 'SIGRTMINPLUS9'
  | 'SIGRTMINPLUS10'
  | 'SIGRTMINPLUS11'
  | 'SIGRTMINPLUS12'
  | 'SIGRTMINPLUS13'
  | 'SIGRTMINPLUS14'
  | 'SIGRTMINPLUS15'
  | 'SIGRTMAXMINUS14'
  | 'SIGRTMAXMINUS13'
  | 'SIGRTMAXMINUS12'
  | 'SIGRTMAXMINUS11'
  | 'SIGRTMAXMINUS10'
  | 'SIGRTMAXMINUS9'
  | 'SIGRTMAXMINUS8'
  | 'SIGRTMAXMINUS7'
  | 'SIGRTMAXMINUS6'
  | 'SIGRTMAXMINUS5'
  | 'SIGRTMAXMINUS4'
  | 'SIGRTMAXMINUS3'
  | 'SIGRTMAXMINUS2'
  | 'SIGRTMAXMINUS1'
  | 'SIGRTMAX'

export interface ListPodSandboxRequest {
  readonly filter: PodSandboxFilter | null
}

export interface PodSandboxFilter {
  readonly id: string
  readonly state: PodSandboxStateValue | null
  readonly labelSelector: Readonly<Record<string, string>>
}

export interface PodSandboxStateValue {
  readonly state: PodSandboxState
}

export interface ListPodSandboxResponse {
  readonly items: readonly PodSandbox[]
}

export interface PodSandbox {
  readonly id: string
  readonly metadata: PodSandboxMetadata | null
  readonly state: PodSandboxState
  readonly createdAt: number
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly runtimeHandler: string
}

export interface StreamPodSandboxesRequest {
  readonly filter: PodSandboxFilter | null
}

export interface StreamPodSandboxesResponse {
  readonly podSandboxes: readonly PodSandbox[]
}

export interface UpdatePodSandboxResourcesRequest {
  readonly podSandboxId: string
  readonly overhead: LinuxContainerResources | null
  readonly resources: LinuxContainerResources | null
}

export interface UpdatePodSandboxResourcesResponse {}

export interface CreateContainerRequest {
  readonly podSandboxId: string
  readonly config: ContainerConfig | null
  readonly sandboxConfig: PodSandboxConfig | null
}

export interface ContainerConfig {
  readonly metadata: ContainerMetadata | null
  readonly image: ImageSpec | null
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly envs: readonly KeyValue[]
  readonly mounts: readonly Mount[]
  readonly devices: readonly Device[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly logPath: string
  readonly stdin: boolean
  readonly stdinOnce: boolean
  readonly tty: boolean
  readonly linux: LinuxContainerConfig | null
  readonly windows: WindowsContainerConfig | null
  readonly CDIDevices: readonly CDIDevice[]
  readonly stopSignal: Signal
}

export interface KeyValue {
  readonly key: string
  readonly value: Buffer
}

export interface Device {
  readonly containerPath: string
  readonly hostPath: string
  readonly permissions: string
}

export interface LinuxContainerConfig {
  readonly resources: LinuxContainerResources | null
  readonly securityContext: LinuxContainerSecurityContext | null
}

export interface LinuxContainerSecurityContext {
  readonly capabilities: Capability | null
  readonly privileged: boolean
  readonly namespaceOptions: NamespaceOption | null
  readonly selinuxOptions: SELinuxOption | null
  readonly runAsUser: Int64Value | null
  readonly runAsGroup: Int64Value | null
  readonly runAsUsername: string
  readonly readonlyRootfs: boolean
  readonly supplementalGroups: readonly number[]
  readonly supplementalGroupsPolicy: SupplementalGroupsPolicy
  readonly noNewPrivs: boolean
  readonly maskedPaths: readonly string[]
  readonly readonlyPaths: readonly string[]
  readonly seccomp: SecurityProfile | null
  readonly apparmor: SecurityProfile | null
  readonly apparmorProfile: string
  readonly seccompProfilePath: string
}

export interface Capability {
  readonly addCapabilities: readonly string[]
  readonly dropCapabilities: readonly string[]
  readonly addAmbientCapabilities: readonly string[]
}

export interface WindowsContainerConfig {
  readonly resources: WindowsContainerResources | null
  readonly securityContext: WindowsContainerSecurityContext | null
}

export interface WindowsContainerSecurityContext {
  readonly runAsUsername: string
  readonly credentialSpec: string
  readonly hostProcess: boolean
}

export interface CDIDevice {
  readonly name: string
}

export interface CreateContainerResponse {
  readonly containerId: string
}

export interface StartContainerRequest {
  readonly containerId: string
}

export interface StartContainerResponse {}

export interface StopContainerRequest {
  readonly containerId: string
  readonly timeout: number
}

export interface StopContainerResponse {}

export interface RemoveContainerRequest {
  readonly containerId: string
}

export interface RemoveContainerResponse {}

export interface ContainerStatusRequest {
  readonly containerId: string
  readonly verbose: boolean
}

export interface ContainerStatusResponse {
  readonly status: ContainerStatus | null
  readonly info: Readonly<Record<string, string>>
}

export interface ListContainersRequest {
  readonly filter: ContainerFilter | null
}

export interface ContainerFilter {
  readonly id: string
  readonly state: ContainerStateValue | null
  readonly podSandboxId: string
  readonly labelSelector: Readonly<Record<string, string>>
}

export interface ContainerStateValue {
  readonly state: ContainerState
}

export interface ListContainersResponse {
  readonly containers: readonly Container[]
}

export interface Container {
  readonly id: string
  readonly podSandboxId: string
  readonly metadata: ContainerMetadata | null
  readonly image: ImageSpec | null
  readonly imageRef: string
  readonly state: ContainerState
  readonly createdAt: number
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly imageId: string
}

export interface StreamContainersRequest {
  readonly filter: ContainerFilter | null
}

export interface StreamContainersResponse {
  readonly containers: readonly Container[]
}

export interface UpdateContainerResourcesRequest {
  readonly containerId: string
  readonly linux: LinuxContainerResources | null
  readonly windows: WindowsContainerResources | null
  readonly annotations: Readonly<Record<string, string>>
}

export interface UpdateContainerResourcesResponse {}

export interface CheckpointContainerRequest {
  readonly containerId: string
  readonly location: string
  readonly timeout: number
}

export interface CheckpointContainerResponse {}

export interface ReopenContainerLogRequest {
  readonly containerId: string
}

export interface ReopenContainerLogResponse {}

export interface ExecSyncRequest {
  readonly containerId: string
  readonly cmd: readonly string[]
  readonly timeout: number
}

export interface ExecSyncResponse {
  readonly stdout: Buffer
  readonly stderr: Buffer
  readonly exitCode: number
}

export interface ExecRequest {
  readonly containerId: string
  readonly cmd: readonly string[]
  readonly tty: boolean
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
}

export interface ExecResponse {
  readonly url: string
}

export interface AttachRequest {
  readonly containerId: string
  readonly stdin: boolean
  readonly tty: boolean
  readonly stdout: boolean
  readonly stderr: boolean
}

export interface AttachResponse {
  readonly url: string
}

export interface PortForwardRequest {
  readonly podSandboxId: string
  readonly port: readonly number[]
}

export interface PortForwardResponse {
  readonly url: string
}

export interface ContainerStatsRequest {
  readonly containerId: string
}

export interface ContainerStatsResponse {
  readonly stats: ContainerStats | null
}

export interface ContainerStats {
  readonly attributes: ContainerAttributes | null
  readonly cpu: CpuUsage | null
  readonly memory: MemoryUsage | null
  readonly writableLayer: FilesystemUsage | null
  readonly swap: SwapUsage | null
  readonly io: IoUsage | null
}

export interface ContainerAttributes {
  readonly id: string
  readonly metadata: ContainerMetadata | null
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface CpuUsage {
  readonly timestamp: number
  readonly usageCoreNanoSeconds: UInt64Value | null
  readonly usageNanoCores: UInt64Value | null
  readonly psi: PsiStats | null
}

export interface UInt64Value {
  readonly value: number
}

export interface PsiStats {
  readonly Full: PsiData | null
  readonly Some: PsiData | null
}

export interface PsiData {
  readonly Total: number
  readonly Avg10: number
  readonly Avg60: number
  readonly Avg300: number
}

export interface MemoryUsage {
  readonly timestamp: number
  readonly workingSetBytes: UInt64Value | null
  readonly availableBytes: UInt64Value | null
  readonly usageBytes: UInt64Value | null
  readonly rssBytes: UInt64Value | null
  readonly pageFaults: UInt64Value | null
  readonly majorPageFaults: UInt64Value | null
  readonly psi: PsiStats | null
}

export interface FilesystemUsage {
  readonly timestamp: number
  readonly fsId: FilesystemIdentifier | null
  readonly usedBytes: UInt64Value | null
  readonly inodesUsed: UInt64Value | null
}

export interface FilesystemIdentifier {
  readonly mountpoint: string
}

export interface SwapUsage {
  readonly timestamp: number
  readonly swapAvailableBytes: UInt64Value | null
  readonly swapUsageBytes: UInt64Value | null
}

export interface IoUsage {
  readonly timestamp: number
  readonly psi: PsiStats | null
}

export interface ListContainerStatsRequest {
  readonly filter: ContainerStatsFilter | null
}

export interface ContainerStatsFilter {
  readonly id: string
  readonly podSandboxId: string
  readonly labelSelector: Readonly<Record<string, string>>
}

export interface ListContainerStatsResponse {
  readonly stats: readonly ContainerStats[]
}

export interface StreamContainerStatsRequest {
  readonly filter: ContainerStatsFilter | null
}

export interface StreamContainerStatsResponse {
  readonly containerStats: readonly ContainerStats[]
}

export interface PodSandboxStatsRequest {
  readonly podSandboxId: string
}

export interface PodSandboxStatsResponse {
  readonly stats: PodSandboxStats | null
}

export interface PodSandboxStats {
  readonly attributes: PodSandboxAttributes | null
  readonly linux: LinuxPodSandboxStats | null
  readonly windows: WindowsPodSandboxStats | null
}

export interface PodSandboxAttributes {
  readonly id: string
  readonly metadata: PodSandboxMetadata | null
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface LinuxPodSandboxStats {
  readonly cpu: CpuUsage | null
  readonly memory: MemoryUsage | null
  readonly network: NetworkUsage | null
  readonly process: ProcessUsage | null
  readonly containers: readonly ContainerStats[]
  readonly io: IoUsage | null
}

export interface NetworkUsage {
  readonly timestamp: number
  readonly defaultInterface: NetworkInterfaceUsage | null
  readonly interfaces: readonly NetworkInterfaceUsage[]
}

export interface NetworkInterfaceUsage {
  readonly name: string
  readonly rxBytes: UInt64Value | null
  readonly rxErrors: UInt64Value | null
  readonly txBytes: UInt64Value | null
  readonly txErrors: UInt64Value | null
}

export interface ProcessUsage {
  readonly timestamp: number
  readonly processCount: UInt64Value | null
}

export interface WindowsPodSandboxStats {
  readonly cpu: WindowsCpuUsage | null
  readonly memory: WindowsMemoryUsage | null
  readonly network: WindowsNetworkUsage | null
  readonly process: WindowsProcessUsage | null
  readonly containers: readonly WindowsContainerStats[]
}

export interface WindowsCpuUsage {
  readonly timestamp: number
  readonly usageCoreNanoSeconds: UInt64Value | null
  readonly usageNanoCores: UInt64Value | null
}

export interface WindowsMemoryUsage {
  readonly timestamp: number
  readonly workingSetBytes: UInt64Value | null
  readonly availableBytes: UInt64Value | null
  readonly pageFaults: UInt64Value | null
  readonly commitMemoryBytes: UInt64Value | null
}

export interface WindowsNetworkUsage {
  readonly timestamp: number
  readonly defaultInterface: WindowsNetworkInterfaceUsage | null
  readonly interfaces: readonly WindowsNetworkInterfaceUsage[]
}

export interface WindowsNetworkInterfaceUsage {
  readonly name: string
  readonly rxBytes: UInt64Value | null
  readonly rxPacketsDropped: UInt64Value | null
  readonly txBytes: UInt64Value | null
  readonly txPacketsDropped: UInt64Value | null
}

export interface WindowsProcessUsage {
  readonly timestamp: number
  readonly processCount: UInt64Value | null
}

export interface WindowsContainerStats {
  readonly attributes: ContainerAttributes | null
  readonly cpu: WindowsCpuUsage | null
  readonly memory: WindowsMemoryUsage | null
  readonly writableLayer: WindowsFilesystemUsage | null
}

export interface WindowsFilesystemUsage {
  readonly timestamp: number
  readonly fsId: FilesystemIdentifier | null
  readonly usedBytes: UInt64Value | null
}

export interface ListPodSandboxStatsRequest {
  readonly filter: PodSandboxStatsFilter | null
}

export interface PodSandboxStatsFilter {
  readonly id: string
  readonly labelSelector: Readonly<Record<string, string>>
}

export interface ListPodSandboxStatsResponse {
  readonly stats: readonly PodSandboxStats[]
}

export interface StreamPodSandboxStatsRequest {
  readonly filter: PodSandboxStatsFilter | null
}

export interface StreamPodSandboxStatsResponse {
  readonly podSandboxStats: readonly PodSandboxStats[]
}

export interface ListMetricDescriptorsRequest {}

export interface ListMetricDescriptorsResponse {
  readonly descriptors: readonly MetricDescriptor[]
}

export interface MetricDescriptor {
  readonly name: string
  readonly help: string
  readonly labelKeys: readonly string[]
}

export interface ListPodSandboxMetricsRequest {}

export interface ListPodSandboxMetricsResponse {
  readonly podMetrics: readonly PodSandboxMetrics[]
}

export interface PodSandboxMetrics {
  readonly podSandboxId: string
  readonly metrics: readonly Metric[]
  readonly containerMetrics: readonly ContainerMetrics[]
}

export interface Metric {
  readonly name: string
  readonly timestamp: number
  readonly metricType: MetricType
  readonly labelValues: readonly string[]
  readonly value: UInt64Value | null
}

export type MetricType = 'COUNTER' | 'GAUGE'

export interface ContainerMetrics {
  readonly containerId: string
  readonly metrics: readonly Metric[]
}

export interface StreamPodSandboxMetricsRequest {}

export interface StreamPodSandboxMetricsResponse {
  readonly podSandboxMetrics: readonly PodSandboxMetrics[]
}

export interface VersionRequest {
  readonly version: string
}

export interface VersionResponse {
  readonly version: string
  readonly runtimeName: string
  readonly runtimeVersion: string
  readonly runtimeApiVersion: string
}

export interface StatusRequest {
  readonly verbose: boolean
}

export interface StatusResponse {
  readonly status: RuntimeStatus | null
  readonly info: Readonly<Record<string, string>>
  readonly runtimeHandlers: readonly RuntimeHandler[]
  readonly features: RuntimeFeatures | null
}

export interface RuntimeStatus {
  readonly conditions: readonly RuntimeCondition[]
}

export interface RuntimeCondition {
  readonly type: string
  readonly status: boolean
  readonly reason: string
  readonly message: string
}

export interface RuntimeHandler {
  readonly name: string
  readonly features: RuntimeHandlerFeatures | null
}

export interface RuntimeHandlerFeatures {
  readonly recursiveReadOnlyMounts: boolean
  readonly userNamespaces: boolean
}

export interface RuntimeFeatures {
  readonly supplementalGroupsPolicy: boolean
  readonly userNamespacesHostNetwork: boolean
}

export interface RuntimeConfigRequest {}

export interface RuntimeConfigResponse {
  readonly linux: LinuxRuntimeConfiguration | null
}

export interface LinuxRuntimeConfiguration {
  readonly cgroupDriver: CgroupDriver
}

export type CgroupDriver = 'SYSTEMD' | 'CGROUPFS'

export interface UpdateRuntimeConfigRequest {
  readonly runtimeConfig: RuntimeConfig | null
}

export interface RuntimeConfig {
  readonly networkConfig: NetworkConfig | null
}

export interface NetworkConfig {
  readonly podCidr: string
}

export interface UpdateRuntimeConfigResponse {}

export interface GetEventsRequest {}

export interface ContainerEventResponse {
  readonly containerId: string
  readonly containerEventType: ContainerEventType
  readonly createdAt: number
  readonly podSandboxStatus: PodSandboxStatus | null
  readonly containersStatuses: readonly ContainerStatus[]
}

export type ContainerEventType =
  | 'CONTAINER_CREATED_EVENT'
  | 'CONTAINER_STARTED_EVENT'
  | 'CONTAINER_STOPPED_EVENT'
  | 'CONTAINER_DELETED_EVENT'

export interface PullImageRequest {
  readonly image: ImageSpec | null
  readonly auth: AuthConfig | null
  readonly sandboxConfig: PodSandboxConfig | null
}

export interface AuthConfig {
  readonly username: string
  readonly password: string
  readonly auth: string
  readonly serverAddress: string
  readonly identityToken: string
  readonly registryToken: string
}

export interface PullImageResponse {
  readonly imageRef: string
}

export interface ImageStatusRequest {
  readonly image: ImageSpec | null
  readonly verbose: boolean
}

export interface ImageStatusResponse {
  readonly image: Image | null
  readonly info: Readonly<Record<string, string>>
}

export interface Image {
  readonly id: string
  readonly repoTags: readonly string[]
  readonly repoDigests: readonly string[]
  readonly size: number
  readonly uid: Int64Value | null
  readonly username: string
  readonly spec: ImageSpec | null
  readonly pinned: boolean
}

export interface ListImagesRequest {
  readonly filter: ImageFilter | null
}

export interface ImageFilter {
  readonly image: ImageSpec | null
}

export interface ListImagesResponse {
  readonly images: readonly Image[]
}

export interface StreamImagesRequest {
  readonly filter: ImageFilter | null
}

export interface StreamImagesResponse {
  readonly images: readonly Image[]
}

export interface RemoveImageRequest {
  readonly image: ImageSpec | null
}

export interface RemoveImageResponse {}

export interface ImageFsInfoRequest {}

export interface ImageFsInfoResponse {
  readonly imageFilesystems: readonly FilesystemUsage[]
  readonly containerFilesystems: readonly FilesystemUsage[]
}

/** What each call takes and gives; of those that stream, each message that they give. */

export interface CriCalls {
  readonly RunPodSandbox: { readonly request: RunPodSandboxRequest; readonly response: RunPodSandboxResponse }
  readonly StopPodSandbox: {
    readonly request: StopPodSandboxRequest
    readonly response: StopPodSandboxResponse
  }
  readonly RemovePodSandbox: {
    readonly request: RemovePodSandboxRequest
    readonly response: RemovePodSandboxResponse
  }
  readonly PodSandboxStatus: {
    readonly request: PodSandboxStatusRequest
    readonly response: PodSandboxStatusResponse
  }
  readonly ListPodSandbox: {
    readonly request: ListPodSandboxRequest
    readonly response: ListPodSandboxResponse
  }
  readonly StreamPodSandboxes: {
    readonly request: StreamPodSandboxesRequest
    readonly response: StreamPodSandboxesResponse
  }
  readonly UpdatePodSandboxResources: {
    readonly request: UpdatePodSandboxResourcesRequest
    readonly response: UpdatePodSandboxResourcesResponse
  }
  readonly CreateContainer: {
    readonly request: CreateContainerRequest
    readonly response: CreateContainerResponse
  }
  readonly StartContainer: {
    readonly request: StartContainerRequest
    readonly response: StartContainerResponse
  }
  readonly StopContainer: { readonly request: StopContainerRequest; readonly response: StopContainerResponse }
  readonly RemoveContainer: {
    readonly request: RemoveContainerRequest
    readonly response: RemoveContainerResponse
  }
  readonly ContainerStatus: {
    readonly request: ContainerStatusRequest
    readonly response: ContainerStatusResponse
  }
  readonly ListContainers: {
    readonly request: ListContainersRequest
    readonly response: ListContainersResponse
  }
  readonly StreamContainers: {
    readonly request: StreamContainersRequest
    readonly response: StreamContainersResponse
  }
  readonly UpdateContainerResources: {
    readonly request: UpdateContainerResourcesRequest
    readonly response: UpdateContainerResourcesResponse
  }
  readonly CheckpointContainer: {
    readonly request: CheckpointContainerRequest
    readonly response: CheckpointContainerResponse
  }
  readonly ReopenContainerLog: {
    readonly request: ReopenContainerLogRequest
    readonly response: ReopenContainerLogResponse
  }
  readonly ExecSync: { readonly request: ExecSyncRequest; readonly response: ExecSyncResponse }
  readonly Exec: { readonly request: ExecRequest; readonly response: ExecResponse }
  readonly Attach: { readonly request: AttachRequest; readonly response: AttachResponse }
  readonly PortForward: { readonly request: PortForwardRequest; readonly response: PortForwardResponse }
  readonly ContainerStats: {
    readonly request: ContainerStatsRequest
    readonly response: ContainerStatsResponse
  }
  readonly ListContainerStats: {
    readonly request: ListContainerStatsRequest
    readonly response: ListContainerStatsResponse
  }
  readonly StreamContainerStats: {
    readonly request: StreamContainerStatsRequest
    readonly response: StreamContainerStatsResponse
  }
  readonly PodSandboxStats: {
    readonly request: PodSandboxStatsRequest
    readonly response: PodSandboxStatsResponse
  }
  readonly ListPodSandboxStats: {
    readonly request: ListPodSandboxStatsRequest
    readonly response: ListPodSandboxStatsResponse
  }
  readonly StreamPodSandboxStats: {
    readonly request: StreamPodSandboxStatsRequest
    readonly response: StreamPodSandboxStatsResponse
  }
  readonly ListMetricDescriptors: {
    readonly request: ListMetricDescriptorsRequest
    readonly response: ListMetricDescriptorsResponse
  }
  readonly ListPodSandboxMetrics: {
    readonly request: ListPodSandboxMetricsRequest
    readonly response: ListPodSandboxMetricsResponse
  }
  readonly StreamPodSandboxMetrics: {
    readonly request: StreamPodSandboxMetricsRequest
    readonly response: StreamPodSandboxMetricsResponse
  }
  readonly Version: { readonly request: VersionRequest; readonly response: VersionResponse }
  readonly Status: { readonly request: StatusRequest; readonly response: StatusResponse }
  readonly RuntimeConfig: { readonly request: RuntimeConfigRequest; readonly response: RuntimeConfigResponse }
  readonly UpdateRuntimeConfig: {
    readonly request: UpdateRuntimeConfigRequest
    readonly response: UpdateRuntimeConfigResponse
  }
  readonly GetContainerEvents: {
    readonly request: GetEventsRequest
    readonly response: ContainerEventResponse
  }
  readonly PullImage: { readonly request: PullImageRequest; readonly response: PullImageResponse }
  readonly ImageStatus: { readonly request: ImageStatusRequest; readonly response: ImageStatusResponse }
  readonly ListImages: { readonly request: ListImagesRequest; readonly response: ListImagesResponse }
  readonly StreamImages: { readonly request: StreamImagesRequest; readonly response: StreamImagesResponse }
  readonly RemoveImage: { readonly request: RemoveImageRequest; readonly response: RemoveImageResponse }
  readonly ImageFsInfo: { readonly request: ImageFsInfoRequest; readonly response: ImageFsInfoResponse }
}

/** The names of all messages. */

export interface CriMessages {
  readonly RunPodSandboxRequest: RunPodSandboxRequest
  readonly PodSandboxConfig: PodSandboxConfig
  readonly PodSandboxMetadata: PodSandboxMetadata
  readonly DNSConfig: DNSConfig
  readonly PortMapping: PortMapping
  readonly LinuxPodSandboxConfig: LinuxPodSandboxConfig
  readonly LinuxSandboxSecurityContext: LinuxSandboxSecurityContext
  readonly NamespaceOption: NamespaceOption
  readonly UserNamespace: UserNamespace
  readonly IDMapping: IDMapping
  readonly SELinuxOption: SELinuxOption
  readonly Int64Value: Int64Value
  readonly SecurityProfile: SecurityProfile
  readonly LinuxContainerResources: LinuxContainerResources
  readonly HugepageLimit: HugepageLimit
  readonly WindowsPodSandboxConfig: WindowsPodSandboxConfig
  readonly WindowsSandboxSecurityContext: WindowsSandboxSecurityContext
  readonly WindowsNamespaceOption: WindowsNamespaceOption
  readonly RunPodSandboxResponse: RunPodSandboxResponse
  readonly StopPodSandboxRequest: StopPodSandboxRequest
  readonly StopPodSandboxResponse: StopPodSandboxResponse
  readonly RemovePodSandboxRequest: RemovePodSandboxRequest
  readonly RemovePodSandboxResponse: RemovePodSandboxResponse
  readonly PodSandboxStatusRequest: PodSandboxStatusRequest
  readonly PodSandboxStatusResponse: PodSandboxStatusResponse
  readonly PodSandboxStatus: PodSandboxStatus
  readonly PodSandboxNetworkStatus: PodSandboxNetworkStatus
  readonly PodIP: PodIP
  readonly LinuxPodSandboxStatus: LinuxPodSandboxStatus
  readonly Namespace: Namespace
  readonly ContainerStatus: ContainerStatus
  readonly ContainerMetadata: ContainerMetadata
  readonly ImageSpec: ImageSpec
  readonly Mount: Mount
  readonly ContainerResources: ContainerResources
  readonly WindowsContainerResources: WindowsContainerResources
  readonly WindowsCpuGroupAffinity: WindowsCpuGroupAffinity
  readonly ContainerUser: ContainerUser
  readonly LinuxContainerUser: LinuxContainerUser
  readonly ListPodSandboxRequest: ListPodSandboxRequest
  readonly PodSandboxFilter: PodSandboxFilter
  readonly PodSandboxStateValue: PodSandboxStateValue
  readonly ListPodSandboxResponse: ListPodSandboxResponse
  readonly PodSandbox: PodSandbox
  readonly StreamPodSandboxesRequest: StreamPodSandboxesRequest
  readonly StreamPodSandboxesResponse: StreamPodSandboxesResponse
  readonly UpdatePodSandboxResourcesRequest: UpdatePodSandboxResourcesRequest
  readonly UpdatePodSandboxResourcesResponse: UpdatePodSandboxResourcesResponse
  readonly CreateContainerRequest: CreateContainerRequest
  readonly ContainerConfig: ContainerConfig
  readonly KeyValue: KeyValue
  readonly Device: Device
  readonly LinuxContainerConfig: LinuxContainerConfig
  readonly LinuxContainerSecurityContext: LinuxContainerSecurityContext
  readonly Capability: Capability
  readonly WindowsContainerConfig: WindowsContainerConfig
  readonly WindowsContainerSecurityContext: WindowsContainerSecurityContext
  readonly CDIDevice: CDIDevice
  readonly CreateContainerResponse: CreateContainerResponse
  readonly StartContainerRequest: StartContainerRequest
  readonly StartContainerResponse: StartContainerResponse
  readonly StopContainerRequest: StopContainerRequest
  readonly StopContainerResponse: StopContainerResponse
  readonly RemoveContainerRequest: RemoveContainerRequest
  readonly RemoveContainerResponse: RemoveContainerResponse
  readonly ContainerStatusRequest: ContainerStatusRequest
  readonly ContainerStatusResponse: ContainerStatusResponse
  readonly ListContainersRequest: ListContainersRequest
  readonly ContainerFilter: ContainerFilter
  readonly ContainerStateValue: ContainerStateValue
  readonly ListContainersResponse: ListContainersResponse
  readonly Container: Container
  readonly StreamContainersRequest: StreamContainersRequest
  readonly StreamContainersResponse: StreamContainersResponse
  readonly UpdateContainerResourcesRequest: UpdateContainerResourcesRequest
  readonly UpdateContainerResourcesResponse: UpdateContainerResourcesResponse
  readonly CheckpointContainerRequest: CheckpointContainerRequest
  readonly CheckpointContainerResponse: CheckpointContainerResponse
  readonly ReopenContainerLogRequest: ReopenContainerLogRequest
  readonly ReopenContainerLogResponse: ReopenContainerLogResponse
  readonly ExecSyncRequest: ExecSyncRequest
  readonly ExecSyncResponse: ExecSyncResponse
  readonly ExecRequest: ExecRequest
  readonly ExecResponse: ExecResponse
  readonly AttachRequest: AttachRequest
  readonly AttachResponse: AttachResponse
  readonly PortForwardRequest: PortForwardRequest
  readonly PortForwardResponse: PortForwardResponse
  readonly ContainerStatsRequest: ContainerStatsRequest
  readonly ContainerStatsResponse: ContainerStatsResponse
  readonly ContainerStats: ContainerStats
  readonly ContainerAttributes: ContainerAttributes
  readonly CpuUsage: CpuUsage
  readonly UInt64Value: UInt64Value
  readonly PsiStats: PsiStats
  readonly PsiData: PsiData
  readonly MemoryUsage: MemoryUsage
  readonly FilesystemUsage: FilesystemUsage
  readonly FilesystemIdentifier: FilesystemIdentifier
  readonly SwapUsage: SwapUsage
  readonly IoUsage: IoUsage
  readonly ListContainerStatsRequest: ListContainerStatsRequest
  readonly ContainerStatsFilter: ContainerStatsFilter
  readonly ListContainerStatsResponse: ListContainerStatsResponse
  readonly StreamContainerStatsRequest: StreamContainerStatsRequest
  readonly StreamContainerStatsResponse: StreamContainerStatsResponse
  readonly PodSandboxStatsRequest: PodSandboxStatsRequest
  readonly PodSandboxStatsResponse: PodSandboxStatsResponse
  readonly PodSandboxStats: PodSandboxStats
  readonly PodSandboxAttributes: PodSandboxAttributes
  readonly LinuxPodSandboxStats: LinuxPodSandboxStats
  readonly NetworkUsage: NetworkUsage
  readonly NetworkInterfaceUsage: NetworkInterfaceUsage
  readonly ProcessUsage: ProcessUsage
  readonly WindowsPodSandboxStats: WindowsPodSandboxStats
  readonly WindowsCpuUsage: WindowsCpuUsage
  readonly WindowsMemoryUsage: WindowsMemoryUsage
  readonly WindowsNetworkUsage: WindowsNetworkUsage
  readonly WindowsNetworkInterfaceUsage: WindowsNetworkInterfaceUsage
  readonly WindowsProcessUsage: WindowsProcessUsage
  readonly WindowsContainerStats: WindowsContainerStats
  readonly WindowsFilesystemUsage: WindowsFilesystemUsage
  readonly ListPodSandboxStatsRequest: ListPodSandboxStatsRequest
  readonly PodSandboxStatsFilter: PodSandboxStatsFilter
  readonly ListPodSandboxStatsResponse: ListPodSandboxStatsResponse
  readonly StreamPodSandboxStatsRequest: StreamPodSandboxStatsRequest
  readonly StreamPodSandboxStatsResponse: StreamPodSandboxStatsResponse
  readonly ListMetricDescriptorsRequest: ListMetricDescriptorsRequest
  readonly ListMetricDescriptorsResponse: ListMetricDescriptorsResponse
  readonly MetricDescriptor: MetricDescriptor
  readonly ListPodSandboxMetricsRequest: ListPodSandboxMetricsRequest
  readonly ListPodSandboxMetricsResponse: ListPodSandboxMetricsResponse
  readonly PodSandboxMetrics: PodSandboxMetrics
  readonly Metric: Metric
  readonly ContainerMetrics: ContainerMetrics
  readonly StreamPodSandboxMetricsRequest: StreamPodSandboxMetricsRequest
  readonly StreamPodSandboxMetricsResponse: StreamPodSandboxMetricsResponse
  readonly VersionRequest: VersionRequest
  readonly VersionResponse: VersionResponse
  readonly StatusRequest: StatusRequest
  readonly StatusResponse: StatusResponse
  readonly RuntimeStatus: RuntimeStatus
  readonly RuntimeCondition: RuntimeCondition
  readonly RuntimeHandler: RuntimeHandler
  readonly RuntimeHandlerFeatures: RuntimeHandlerFeatures
  readonly RuntimeFeatures: RuntimeFeatures
  readonly RuntimeConfigRequest: RuntimeConfigRequest
  readonly RuntimeConfigResponse: RuntimeConfigResponse
  readonly LinuxRuntimeConfiguration: LinuxRuntimeConfiguration
  readonly UpdateRuntimeConfigRequest: UpdateRuntimeConfigRequest
  readonly RuntimeConfig: RuntimeConfig
  readonly NetworkConfig: NetworkConfig
  readonly UpdateRuntimeConfigResponse: UpdateRuntimeConfigResponse
  readonly GetEventsRequest: GetEventsRequest
  readonly ContainerEventResponse: ContainerEventResponse
  readonly PullImageRequest: PullImageRequest
  readonly AuthConfig: AuthConfig
  readonly PullImageResponse: PullImageResponse
  readonly ImageStatusRequest: ImageStatusRequest
  readonly ImageStatusResponse: ImageStatusResponse
  readonly Image: Image
  readonly ListImagesRequest: ListImagesRequest
  readonly ImageFilter: ImageFilter
  readonly ListImagesResponse: ListImagesResponse
  readonly StreamImagesRequest: StreamImagesRequest
  readonly StreamImagesResponse: StreamImagesResponse
  readonly RemoveImageRequest: RemoveImageRequest
  readonly RemoveImageResponse: RemoveImageResponse
  readonly ImageFsInfoRequest: ImageFsInfoRequest
  readonly ImageFsInfoResponse: ImageFsInfoResponse
}
