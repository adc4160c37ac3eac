//! Makes the stubs of ../../protos: needs no protoc.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../protos";
    let files = [
        "inference/inference.proto",
        "hasten/common/v1/timing.proto",
        "grpc/health/v1/health.proto",
        "google/rpc/status.proto",
        "google/rpc/error_details.proto",
    ];
    println!("cargo:rerun-if-changed={root}");
    let described = protox::compile(files, [root])?;
    tonic_prost_build::configure().build_server(false).compile_fds(described)?;
    Ok(())
}
