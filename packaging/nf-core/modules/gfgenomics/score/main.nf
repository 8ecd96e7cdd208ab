process GFGENOMICS_SCORE {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    // Built by packaging/Dockerfile.
    container "gf-genomics:0.1.0"

    input:
    tuple val(meta), path(vcf), path(index)
    tuple val(meta2), path(fasta), path(fasta_index)
    tuple val(meta3), path(model)
    path cohort

    output:
    tuple val(meta), path("${prefix}.risk.csv"), emit: csv
    tuple val("${task.process}"), val('gf-genomics'), eval("gf-genomics --version | sed 's/.* //'"), topic: versions, emit: versions_gfgenomics

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def reference = fasta ? "--reference ${fasta}" : ''
    def covariates = cohort ? "--cohort ${cohort}" : ''
    """
    gf-genomics score \\
        --vcf ${vcf} \\
        --model ${model} \\
        ${reference} \\
        ${covariates} \\
        --threads ${task.cpus} \\
        ${args} \\
        --output ${prefix}.risk.csv
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.risk.csv
    """
}
