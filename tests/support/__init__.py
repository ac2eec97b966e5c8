"""
What the tests share. Nothing here is collected; import it as `from tests.support import NAME`.

- `array_runs`: the command `harness ci slurm` as a user starts it, with sessions that are made to order instead of
  nox's
- `attach_recordings`: recordings of one small network as either framework would leave them, made with NumPy alone, with
  a fault to order
- `contrast`: contrast of two colours as the WCAG counts it, and the colours of a style sheet in its two schemes
- `crafted_npz`: scan files made to measure: good ones in either layout, and one builder for every way in which a file
  can be bad
- `distances`: how far an array is from the one that it should be
- `examples`: the command lines that README and docs show, each with its page and line
- `fake_nox`: replaces nox in the tasks of an array: `FAKE_NOX` says, as JSON, what each session does, within a
  second
- `golden_step0`: the loss of step 0 on the committed fixture, by NumPy alone: the number that both backends must reach
  to 5e-13
- `imports`: which way imports point, asked twice: of the source text, and of a fresh interpreter that has no framework
  to import
- `injected`: the proof that an injected fault was really there: without it, a test of a fault passes where nothing
  happened
- `nights`: nights of a history (in `fakes`), one record each, in the state of machine, locks and method that a test
  says
- `odd_trees`: trees that a clean-up must survive: generated with hypothesis, planted on disk, compared byte by byte
  afterwards
- `pipeline`: runs a backend's command lines as a user does: child processes in folders of their own, never in this
  process
- `planted`: a checkout in which faults can be planted without any framework: the real core and harness, two backends of
  one line
- `planted_data`: the usual mistakes, made on purpose in a scan that is right: what each warning must name, and in which
  words
- `prose`: the text of the repository that a person reads (pages, docstrings, comments, messages), without the code
- `quality_runs`: campaigns that nobody ran: two sides that share the seed's luck, have some of their own, and differ by
  so much
- `sample_log`: a short run's event log, whole and sound, to be cut and damaged: a lane with one fixture and three tests
- `sample_runs`: folders of runs as the harness leaves them: lanes with reconstructions, ladders, campaigns; whole, cut,
  failing
- `scans`: small scans made in memory, and real ones that a licence keeps out of the repository
- `slurm_cluster`: a Slurm of one controller and two nodes on this machine's loopback, in a folder of its own, without
  accounting
- `small_problem`: a problem without symmetries, small enough for float64 in every test, and the NumPy network's answer
  to it
- `supervised`: pieces of Python as supervised commands, with the observer and an event log, as a lane runs them

In `fakes`:

- `adapter_checkout`: a checkout with an adapter of a few lines, whose backend does at each rung what a test asks for:
  answer, raise, hang, die
- `device_faults`: silent faults of a GPU, planted into PyTorch's own functions around the adapter: nothing raises, and
  one rung sees each
- `fake_adapter`: an adapter without a framework: the oracle's own figures, rounded differently by each side, and faults
  to order
- `fake_backend`: a backend without a framework and without a network: what the core's workflows do is then seen in
  milliseconds
- `fake_bench`: a bench without processes: what each command leaves and prints is a function of its label and its values
- `fake_driver`: a driver library that is none: a small library under the driver's name, or one built where there is a
  compiler
- `fake_lane`: a lane without a framework: an executable that takes the place of an interpreter, and leaves what the
  pipelines leave
- `fake_quality`: two pipelines of a few lines of NumPy for campaigns: what they reach is the seed's luck, a little of
  their own, a fault
- `fake_runs`: trainings and inferences of the fake backend in this process, and a backend that must not be imported
- `fake_target`: a pipeline of a few lines of NumPy, with faults to order, and its target file: what the tests drive
- `foreign_adapter`: an adapter of a foreign checkout, made from the kit: it knows the answers beforehand, and may have
  a fault
- `foreign_checkout`: somebody's checkout whose packages are called `ptycho` and `ptycho_torch`: two commands with
  options, and a target file
- `foreign_files`: scans as other programs store them: Ptychodus 1.7.0 (HDF5 and NPZ), CXI, MATLAB 7.3, made from
  canonical arrays
- `honest_bench`: a backend in NumPy that does what R2, R2b and R2c ask, by formulas and by transposes written out: no
  framework
- `iterative_engine`: an iterative engine: no training, a conversion, a configuration file, an output folder that must
  exist
- `oracle_backend`: the oracle as a backend: what `train.run` and `inference.run` need, without a framework
- `zoo`: a zoo of foreign targets: a clean pipeline (`tests/harness/zoo/lensless`), and animals that differ from it by
  one edit

In `golden`: files that a training and an inference leave, written by hand, their own reader, and a suite for backends.

In `suites`:

- `adapter_suite`: a backend's adapter against the NumPy oracle on every rung, and faults planted in the backend, each
  with its rung
- `assembly_suite`: assembly and extraction against the NumPy oracle; the two are each other's transpose
- `attach_suite`: twelve faults planted in a running model of one framework, recorded by the kit's hooks, each named at
  its place
- `backend`: what a suite needs from a framework: tensors in and out, gradients, and where the backend's modules are
- `bench_suite`: the bare network that an epoch is held against: it really trains, and it is not the engine's own
- `data_pipeline_suite`: from a file in either layout to what a backend sees: the transposition, and the store
- `default_model_suite`: the default model, as users run it, against the oracle on R3 to R6
- `device_work_suite`: the evidence of work on a device: what an engine on the CPU says of itself, and what is counted
  as a kernel
- `distributed_suite`: two real processes train what one process trains: the same losses, step by step, and the same
  bits on both
- `drawn_faults_suite`: faults that the ladder's own problem hides, planted into copies: each passes there and fails on
  a drawn problem
- `engine_suite`: the engine as a whole: the oracle's loss, repeatable bits, resumable state, gradients, true patches
- `independent_suite`: the ladder on a model that this project had no part in (`tests/support/independent`): it passes
  on every rung, and each planted fault is named
- `integration_suite`: the integration suite that both backends pass: train, save, load, infer, in separate processes,
  on one fixture
- `loader_suite`: arrays of the core as tensors: the same bytes, read from the map when asked for, and never all of them
  at once
- `loss_suite`: the loss against the NumPy oracle, in float64 even for float32 inputs, with finite slopes at zero
- `mask_suite`: bad pixels in a backend: loss and deviance over good pixels alone, no gradient under the mask, no bit of
  rubbish
- `network_suite`: the network against a NumPy transcription, its weights in and out, and its precision
- `operations_suite`: a backend's own operations on R2, R2b and R2c: clean they pass, and each planted fault fails
  where it must
- `optimizer_suite`: adam against a NumPy transcription of algorithm 1, and the mistakes that it must not make
- `physics_suite`: the far field against the NumPy oracle, and its gradient in the dark
- `planted_changes_suite`: changes of one line planted into copies of the code, for which a real adapter answers: each
  must get its word
- `sharing_suite`: several ranks in one process, a thread each: uneven shares of a batch train what one process trains
"""
