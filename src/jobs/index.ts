/** Durable background work: a table with leases, retries and a key that keeps work from being queued twice. */
export { enqueueJob, type JobToDo } from './enqueue-job.ts'
export {
  JobRunner,
  type JobHandler,
  type JobRunnerParts,
  type JobSchedule,
  type RunningJob,
} from './job-runner.ts'
